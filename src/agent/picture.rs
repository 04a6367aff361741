//! The test source's picture: something that moves, a clock that a person reads, and the same instant as a stamp that a
//! program reads (`protocol::stamp`). Drawn straight in I420.

use chrono::{DateTime, Utc};

use super::font;
use super::image::Image;
use crate::protocol::stamp;

/// Pixels across.
pub(super) const WIDTH: usize = 640;
/// Pixels down.
pub(super) const HEIGHT: usize = 480;

const CHROMA_WIDTH: usize = WIDTH / 2;
const CHROMA_HEIGHT: usize = HEIGHT / 2;
const TEXT: Colour = Colour { y: 235, u: 128, v: 128 };
const FLOOR: usize = 400;
const CLOCK_DOT: usize = 5;
const NAME_DOT: usize = 3;
/// Longest name that fits the width.
const NAME_LENGTH: usize = WIDTH / (font::ADVANCE * NAME_DOT) - 2;

#[derive(Clone, Copy)]
struct Colour {
    y: u8,
    u: u8,
    v: u8,
}

/// A picture that is drawn anew for each instant over a background that is drawn once.
pub(super) struct Picture {
    background: Image,
    drawn: Image,
}

impl Picture {
    pub(super) fn new(robot: &str, camera: &str) -> Self {
        let mut background = background();
        let title: String = format!("{robot} {camera}").chars().take(NAME_LENGTH).collect();
        background.text(&title, 24, 56, NAME_DOT);
        Self { drawn: background.clone(), background }
    }

    /// Draws the picture of `now`.
    pub(super) fn draw(&mut self, now: DateTime<Utc>) {
        self.drawn.y.copy_from_slice(&self.background.y);
        self.drawn.u.copy_from_slice(&self.background.u);
        self.drawn.v.copy_from_slice(&self.background.v);
        let unix_ms = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        self.drawn.robot(unix_ms);
        self.drawn.text(&now.format("%H:%M:%S%.3f UTC").to_string(), 24, 416, CLOCK_DOT);
        stamp::paint(&mut self.drawn.y, WIDTH, unix_ms);
    }

    /// What was drawn last.
    pub(super) fn image(&self) -> &Image {
        &self.drawn
    }
}

/// A wall with a soft gradient, a tiled floor, and black behind stamp and texts, which changes little under them.
fn background() -> Image {
    let mut image = Image {
        width: WIDTH,
        height: HEIGHT,
        y: vec![16; WIDTH * HEIGHT],
        u: vec![128; CHROMA_WIDTH * CHROMA_HEIGHT],
        v: vec![128; CHROMA_WIDTH * CHROMA_HEIGHT],
    };
    for y in 88..FLOOR {
        for x in 0..WIDTH {
            let tile = if y >= 336 && (x / 40 + y / 32) % 2 == 0 { 24 } else { 0 };
            image.y[y * WIDTH + x] = u8::try_from(56 + y / 8 + tile).unwrap_or(u8::MAX);
        }
    }
    for y in 44..FLOOR / 2 {
        image.u[y * CHROMA_WIDTH..(y + 1) * CHROMA_WIDTH].fill(if y < 168 { 148 } else { 120 });
        image.v[y * CHROMA_WIDTH..(y + 1) * CHROMA_WIDTH].fill(if y < 168 { 112 } else { 132 });
    }
    image
}

/// Drawing on an image of this module's size.
impl Image {
    /// A cart that drives to and fro, a beacon that blinks on it, and a disc that circles above.
    fn robot(&mut self, unix_ms: u64) {
        let cart = Colour { y: 170, u: 60, v: 170 };
        let wheel = Colour { y: 30, u: 128, v: 128 };
        let disc = Colour { y: 140, u: 110, v: 210 };
        let beacon = if (unix_ms / 500).is_multiple_of(2) {
            Colour { y: 200, u: 40, v: 150 }
        } else {
            Colour { y: 60, ..wheel }
        };
        let x = sweep(unix_ms, 6_000, 500);
        self.rectangle(x + 20, 270, 100, 60, cart);
        self.rectangle(x + 60, 250, 20, 20, beacon);
        self.disc(x + 40, 336, 16, wheel);
        self.disc(x + 100, 336, 16, wheel);
        let (dx, dy) = around(unix_ms, 4_000, 60.0);
        self.disc(add(320, dx), add(170, dy), 22, disc);
    }

    fn text(&mut self, text: &str, left: usize, top: usize, dot: usize) {
        for (index, character) in text.chars().enumerate() {
            let left = left + index * font::ADVANCE * dot;
            for (row, bits) in font::glyph(character).into_iter().enumerate() {
                for column in 0..font::GLYPH_WIDTH {
                    if bits >> (font::GLYPH_WIDTH - 1 - column) & 1 == 1 {
                        self.rectangle(left + column * dot, top + row * dot, dot, dot, TEXT);
                    }
                }
            }
        }
    }

    fn disc(&mut self, centre_x: usize, centre_y: usize, radius: usize, colour: Colour) {
        for row in 0..=2 * radius {
            let dy = row.abs_diff(radius);
            let half = (radius * radius - dy * dy).isqrt();
            if let (Some(left), Some(y)) = (centre_x.checked_sub(half), (centre_y + row).checked_sub(radius))
            {
                self.rectangle(left, y, 2 * half, 1, colour);
            }
        }
    }

    /// What lies outside the picture is left out.
    fn rectangle(&mut self, left: usize, top: usize, width: usize, height: usize, colour: Colour) {
        let (right, bottom) = ((left + width).min(WIDTH), (top + height).min(HEIGHT));
        if left >= right {
            return;
        }
        for y in top..bottom {
            self.y[y * WIDTH + left..y * WIDTH + right].fill(colour.y);
            if y % 2 == 0 {
                let chroma = y / 2 * CHROMA_WIDTH + left / 2..y / 2 * CHROMA_WIDTH + right / 2;
                self.u[chroma.clone()].fill(colour.u);
                self.v[chroma].fill(colour.v);
            }
        }
    }
}

/// From 0 to `reach` and back within `period_ms`.
fn sweep(unix_ms: u64, period_ms: u64, reach: usize) -> usize {
    let phase = unix_ms % period_ms;
    let along = phase.min(period_ms - phase);
    usize::try_from(along).unwrap_or_default() * reach * 2 / usize::try_from(period_ms).unwrap_or(1).max(1)
}

/// A point on a circle, by the instant.
fn around(unix_ms: u64, period_ms: u32, radius: f32) -> (f32, f32) {
    let phase = u32::try_from(unix_ms % u64::from(period_ms)).unwrap_or_default();
    // Both are far below the 24 bits that an f32 holds exactly.
    let turn = phase as f32 / period_ms as f32 * std::f32::consts::TAU;
    (turn.cos() * radius, turn.sin() * radius)
}

fn add(base: usize, offset: f32) -> usize {
    base.saturating_add_signed(offset as isize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(unix_ms).expect("in range")
    }

    #[test]
    fn the_picture_carries_its_instant() {
        let mut picture = Picture::new("arm-1", "main");
        for unix_ms in [1_800_000_000_123, 1_800_000_003_456] {
            picture.draw(at(unix_ms));
            assert_eq!(stamp::read(&picture.image().y, WIDTH), u64::try_from(unix_ms).ok());
        }
    }

    #[test]
    fn something_moves_and_nothing_is_drawn_outside() {
        let mut picture =
            Picture::new("a name far longer than the width of the picture allows to show", "main");
        picture.draw(at(1_800_000_000_000));
        let before = picture.image().y.clone();
        for step in 1..400 {
            picture.draw(at(1_800_000_000_000 + step * 33));
            let changed = picture.image().y[88 * WIDTH..FLOOR * WIDTH] != before[88 * WIDTH..FLOOR * WIDTH];
            assert!(changed, "step {step}");
        }
    }
}
