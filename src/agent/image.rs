//! A picture in memory: planar YUV 4:2:0, eight bits a sample.

use openh264::formats::YUVSource;

/// Most pixels across and down. What is larger is scaled down before it comes here.
pub(super) const MAX_WIDTH: usize = 1920;
pub(super) const MAX_HEIGHT: usize = 1088;

/// One picture. Its sides are even.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

impl Image {
    /// A black picture; `None` for a size that is not even or out of bounds.
    pub(super) fn black(width: usize, height: usize) -> Option<Self> {
        let is_side = |side: usize, max| (2..=max).contains(&side) && side.is_multiple_of(2);
        (is_side(width, MAX_WIDTH) && is_side(height, MAX_HEIGHT)).then(|| Self {
            width,
            height,
            y: vec![16; width * height],
            u: vec![128; width * height / 4],
            v: vec![128; width * height / 4],
        })
    }
}

impl YUVSource for Image {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}
