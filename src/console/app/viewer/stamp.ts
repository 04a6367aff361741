/**
 * Reads the stamp of the test source out of a decoded frame (docs/PROTOCOL.md): two rows of 32 cells at the top left,
 * white 1, black 0, most significant bit first; 48 bits of Unix milliseconds, then their CRC-16/CCITT-FALSE.
 */
export const CELL = 16;
export const COLUMNS = 32;
export const ROWS = 2;
export const STAMP_WIDTH = CELL * COLUMNS;
export const STAMP_HEIGHT = CELL * ROWS;

/** CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, nothing reflected or inverted. */
export function crc16(bytes: ArrayLike<number>): number {
  let crc = 0xffff;
  for (let at = 0; at < bytes.length; at += 1) {
    crc ^= (bytes[at] ?? 0) << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    }
  }
  return crc;
}

/** The instant behind 64 bits, in Unix milliseconds, or null when the check does not fit. */
export function instantOf(bits: ArrayLike<number | boolean>): number | null {
  const bytes = Array.from({ length: 8 }, (_, at) => {
    let byte = 0;
    for (let bit = 0; bit < 8; bit += 1) byte = (byte << 1) | (bits[at * 8 + bit] ? 1 : 0);
    return byte;
  });
  const time = bytes.slice(0, 6);
  const check = ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0);
  if (crc16(time) !== check) return null;
  // 48 bits are within what a double holds exactly, but beyond what the bit operators do.
  return time.reduce((sum, byte) => sum * 256 + byte, 0);
}

/**
 * The instant stamped into a picture, or null when there is none that checks.
 *
 * @param rgba pixels of the stamp's area, `STAMP_WIDTH` × `STAMP_HEIGHT`, four bytes each
 */
export function decodeStamp(rgba: Uint8ClampedArray): number | null {
  const bits = new Array<boolean>(COLUMNS * ROWS);
  for (let cell = 0; cell < bits.length; cell += 1) {
    bits[cell] = brightness(rgba, cell % COLUMNS, Math.floor(cell / COLUMNS)) >= 128;
  }
  return instantOf(bits);
}

/** Mean luma of the middle of a cell; its rim is where compression lets neighbours bleed in. */
function brightness(rgba: Uint8ClampedArray, column: number, row: number): number {
  const rim = CELL / 4;
  let sum = 0;
  let count = 0;
  for (let y = row * CELL + rim; y < (row + 1) * CELL - rim; y += 2) {
    for (let x = column * CELL + rim; x < (column + 1) * CELL - rim; x += 2) {
      const at = (y * STAMP_WIDTH + x) * 4;
      sum += 0.299 * (rgba[at] ?? 0) + 0.587 * (rgba[at + 1] ?? 0) + 0.114 * (rgba[at + 2] ?? 0);
      count += 1;
    }
  }
  return sum / count;
}
