import type { Locator, Page } from '@playwright/test';

/** One frame that was shown. */
export interface ShownFrame {
  /** Unix milliseconds read from the picture; null when the stamp did not check. */
  stamp: number | null;
  /** Unix milliseconds of this machine when the frame was presented. */
  shownAt: number;
}

interface Collecting extends Window {
  curfewFrames?: ShownFrame[];
}

/**
 * Begins to read the stamp of every frame that the viewer shows, inside the page and apart from the console's own code: it
 * takes the `<video>` from the public property and decodes by the description in docs/PROTOCOL.md.
 */
export async function collectFrames(viewer: Locator): Promise<void> {
  await viewer.evaluate((element) => {
    const { video } = element as HTMLElement & { video: HTMLVideoElement };
    const [cell, columns, rows] = [16, 32, 2];
    const canvas = new OffscreenCanvas(cell * columns, cell * rows);
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    const frames: ShownFrame[] = ((window as Collecting).curfewFrames = []);

    const check = (bytes: number[]) => {
      let register = 0xffff;
      for (const byte of bytes) {
        for (let bit = 7; bit >= 0; bit -= 1) {
          const carry = ((register >> 15) ^ (byte >> bit)) & 1;
          register = ((register << 1) & 0xffff) ^ (carry ? 0x1021 : 0);
        }
      }
      return register;
    };
    const read = (): number | null => {
      context.drawImage(video, 0, 0);
      const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
      const bytes = new Array<number>(8).fill(0);
      for (let at = 0; at < 64; at += 1) {
        const x = (at % columns) * cell + cell / 2;
        const y = Math.floor(at / columns) * cell + cell / 2;
        const pixel = (y * width + x) * 4;
        const light = data[pixel]! + data[pixel + 1]! + data[pixel + 2]! > 384;
        if (light) bytes[at >> 3]! |= 128 >> (at & 7);
      }
      const time = bytes.slice(0, 6);
      if (check(time) !== bytes[6]! * 256 + bytes[7]!) return null;
      return time.reduce((sum, byte) => sum * 256 + byte, 0);
    };
    const onFrame: VideoFrameRequestCallback = (_now, frame) => {
      video.requestVideoFrameCallback(onFrame);
      frames.push({ stamp: read(), shownAt: performance.timeOrigin + frame.presentationTime });
    };
    video.requestVideoFrameCallback(onFrame);
  });
}

export async function collectedFrames(viewer: Locator): Promise<ShownFrame[]> {
  return viewer.evaluate(() => (window as Collecting).curfewFrames ?? []);
}

/** When the first frame was shown that was drawn at `since` or later, Unix milliseconds; of those that are collected. */
export async function shownSince(page: Page, since: number): Promise<number> {
  const found = await page.waitForFunction(
    (from) => (window as Collecting).curfewFrames?.find(({ stamp }) => stamp !== null && stamp >= from)?.shownAt,
    since,
    { timeout: 60_000 },
  );
  return (await found.jsonValue()) ?? Number.NaN;
}
