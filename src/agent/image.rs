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

    /// The same with half the pixels across and down; `None` where its sides would not be even.
    pub(super) fn halved(&self) -> Option<Self> {
        let mut half = Self::black(self.width / 2, self.height / 2)?;
        half_plane(&self.y, self.width, &mut half.y, half.width);
        half_plane(&self.u, self.width / 2, &mut half.u, half.width / 2);
        half_plane(&self.v, self.width / 2, &mut half.v, half.width / 2);
        Some(half)
    }
}

/// Each pixel is the mean of the four in its place.
fn half_plane(plane: &[u8], width: usize, half: &mut [u8], half_width: usize) {
    for (rows, row) in plane.chunks_exact(2 * width).zip(half.chunks_exact_mut(half_width)) {
        let (upper, lower) = rows.split_at(width);
        let fours = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (pixel, (above, below)) in row.iter_mut().zip(fours) {
            let sum: u16 = above.iter().chain(below).copied().map(u16::from).sum();
            *pixel = u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_even_and_bounded() {
        for (width, height) in [(0, 2), (2, 0), (3, 2), (2, 3), (1922, 2), (2, 1090)] {
            assert!(Image::black(width, height).is_none(), "{width} x {height}");
        }
        assert!(Image::black(1920, 1088).is_some());
    }

    #[test]
    fn half_a_picture_shows_the_same() {
        let mut image = Image::black(8, 4).expect("a size");
        image.y = (0..32).map(|at| if at % 8 < 4 { 10 } else { 200 }).collect();
        image.u = vec![1, 2, 50, 50, 3, 4, 50, 50];
        let half = image.halved().expect("a size");
        assert_eq!((half.width, half.height), (4, 2));
        assert_eq!(half.y, [10, 10, 200, 200, 10, 10, 200, 200]);
        assert_eq!((half.u, half.v), (vec![3, 50], vec![128, 128]));
        let odd = Image::black(6, 4).expect("a size");
        assert!(odd.halved().is_none());
    }
}
