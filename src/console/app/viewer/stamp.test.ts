import { describe, expect, it } from 'vitest';
import { CELL, COLUMNS, crc16, decodeStamp, instantOf, ROWS, STAMP_WIDTH } from './stamp.js';

const INSTANT = 1_800_000_000_123;

function bitsOf(instant: number): number[] {
  const bytes = Array.from({ length: 6 }, (_, at) => Math.floor(instant / 256 ** (5 - at)) % 256);
  const check = crc16(bytes);
  return [...bytes, check >> 8, check & 0xff].flatMap((byte) =>
    Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1),
  );
}

function pictureOf(bits: number[], white: number, black: number): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(STAMP_WIDTH * CELL * ROWS * 4).fill(255);
  for (let y = 0; y < CELL * ROWS; y += 1) {
    for (let x = 0; x < STAMP_WIDTH; x += 1) {
      const bit = bits[Math.floor(y / CELL) * COLUMNS + Math.floor(x / CELL)];
      rgba.fill(bit ? white : black, (y * STAMP_WIDTH + x) * 4, (y * STAMP_WIDTH + x) * 4 + 3);
    }
  }
  return rgba;
}

describe('the check', () => {
  it('is CRC-16/CCITT-FALSE', () => {
    expect(crc16(new TextEncoder().encode('123456789'))).toBe(0x29b1);
    expect(crc16([])).toBe(0xffff);
  });
});

describe('a stamp', () => {
  it('is read back from its bits, beyond what 32 bits hold', () => {
    expect(instantOf(bitsOf(INSTANT))).toBe(INSTANT);
    expect(instantOf(bitsOf(2 ** 48 - 1))).toBe(2 ** 48 - 1);
  });

  it('is refused when any single bit is wrong', () => {
    const bits = bitsOf(INSTANT);
    for (let at = 0; at < bits.length; at += 1) {
      expect(instantOf(bits.map((bit, index) => (index === at ? 1 - bit : bit)))).toBeNull();
    }
  });

  it('is read out of a picture, also one that compression made grey', () => {
    expect(decodeStamp(pictureOf(bitsOf(INSTANT), 255, 0))).toBe(INSTANT);
    expect(decodeStamp(pictureOf(bitsOf(INSTANT), 170, 90))).toBe(INSTANT);
  });

  it('is not found in a picture that has none', () => {
    expect(decodeStamp(pictureOf(new Array<number>(64).fill(1), 255, 0))).toBeNull();
    expect(decodeStamp(pictureOf(new Array<number>(64).fill(0), 255, 0))).toBeNull();
  });
});
