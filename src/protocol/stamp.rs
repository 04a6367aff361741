//! The stamp of the test source: an instant that a program reads back from decoded frames.
//!
//! Top left of the picture, two rows of 32 cells of 16 × 16 pixels, white 1, black 0, most significant bit first: 48 bits
//! of Unix milliseconds, then their CRC-16/CCITT-FALSE. Cells are as large as a macroblock, so that compression at any
//! usable bit rate leaves their middle alone.

/// Edge of a cell, pixels.
pub const CELL: usize = 16;
/// Cells in a row.
pub const COLUMNS: usize = 32;
/// Rows of cells.
pub const ROWS: usize = 2;
/// Width of the stamp, pixels.
pub const WIDTH: usize = CELL * COLUMNS;
/// Height of the stamp, pixels.
pub const HEIGHT: usize = CELL * ROWS;

const BITS: usize = COLUMNS * ROWS;
const MILLIS_MASK: u64 = (1 << 48) - 1;
/// Luma of white and black in video range (ITU-R BT.601).
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// The part of a cell that is read: its middle half, away from the neighbours that deblocking mixes in.
const MARGIN: usize = CELL / 4;

/// The 64 cells of an instant, in reading order. Bits of `unix_ms` above the 48th are left out.
pub fn encode(unix_ms: u64) -> [bool; BITS] {
    let word = word(unix_ms);
    std::array::from_fn(|index| (word >> (BITS - 1 - index)) & 1 == 1)
}

/// The instant that 64 cells hold, Unix milliseconds; `None` when the checksum says that they were misread.
pub fn decode(cells: &[bool; BITS]) -> Option<u64> {
    let read = cells.iter().fold(0u64, |word, &cell| (word << 1) | u64::from(cell));
    let unix_ms = read >> 16;
    (word(unix_ms) == read).then_some(unix_ms)
}

/// Draws the stamp into a luma plane of `stride` bytes a row. What lies outside the plane is left out.
pub fn paint(luma: &mut [u8], stride: usize, unix_ms: u64) {
    let cells = encode(unix_ms);
    for y in 0..HEIGHT {
        let Some(row) = luma.get_mut(y * stride..y * stride + WIDTH.min(stride)) else { return };
        for (x, cell) in row.chunks_mut(CELL).enumerate() {
            cell.fill(if cells[y / CELL * COLUMNS + x] { WHITE } else { BLACK });
        }
    }
}

/// Reads the stamp from a luma plane of `stride` bytes a row: Unix milliseconds, or `None` where there is no readable stamp.
pub fn read(luma: &[u8], stride: usize) -> Option<u64> {
    if stride < WIDTH || luma.len() < (HEIGHT - 1) * stride + WIDTH {
        return None;
    }
    decode(&std::array::from_fn(|index| mean(luma, stride, index % COLUMNS, index / COLUMNS) >= 128))
}

fn mean(luma: &[u8], stride: usize, column: usize, row: usize) -> usize {
    let (left, top, edge) = (column * CELL + MARGIN, row * CELL + MARGIN, CELL - 2 * MARGIN);
    let sum: usize = (top..top + edge)
        .map(|y| luma[y * stride + left..][..edge].iter().map(|&luma| usize::from(luma)).sum::<usize>())
        .sum();
    sum / (edge * edge)
}

fn word(unix_ms: u64) -> u64 {
    let unix_ms = unix_ms & MILLIS_MASK;
    let [_, _, bytes @ ..] = unix_ms.to_be_bytes();
    (unix_ms << 16) | u64::from(crc16(&bytes))
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, nothing reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const INSTANT: u64 = 1_800_000_000_123;

    fn plane() -> Vec<u8> {
        let mut luma = vec![90; 640 * 480];
        paint(&mut luma, 640, INSTANT);
        luma
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }

    #[test]
    fn the_cells_are_in_the_documented_order() {
        let cells = encode(1 << 47);
        assert!(cells[0] && !cells[1..48].iter().any(|&cell| cell));
        let luma = plane();
        let expected = encode(INSTANT);
        assert_eq!(luma[8 * 640 + 8] > 128, expected[0]);
        assert_eq!(luma[24 * 640 + 31 * 16 + 8] > 128, expected[63]);
        assert_eq!((luma[32 * 640], luma[512]), (90, 90), "nothing outside the stamp is touched");
    }

    #[test]
    fn an_instant_comes_back() {
        for unix_ms in [0, 1, INSTANT, MILLIS_MASK] {
            assert_eq!(decode(&encode(unix_ms)), Some(unix_ms));
        }
        assert_eq!(read(&plane(), 640), Some(INSTANT));
    }

    #[test]
    fn a_misread_cell_is_noticed() {
        for first in 0..BITS {
            for second in first..BITS {
                let mut cells = encode(INSTANT);
                cells[first] = !cells[first];
                if second != first {
                    cells[second] = !cells[second];
                }
                assert_eq!(decode(&cells), None, "cells {first} and {second}");
            }
        }
    }

    #[test]
    fn noise_and_a_washed_out_picture_are_read_all_the_same() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut luma = plane();
        for pixel in &mut luma {
            let washed = 64 + i32::from(*pixel) / 2;
            *pixel = u8::try_from((washed + rng.random_range(-60..=60)).clamp(0, 255)).expect("clamped");
        }
        assert_eq!(read(&luma, 640), Some(INSTANT));
    }

    #[test]
    fn a_plane_without_a_stamp_reads_as_none() {
        assert_eq!(read(&[], 640), None);
        assert_eq!(read(&vec![235; 640 * 480], 640), None);
        assert_eq!(read(&vec![16; 500 * 480], 500), None);
        paint(&mut [0; 10], 640, INSTANT);
    }
}
