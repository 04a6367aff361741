import { expect, type Locator, type Page } from '@playwright/test';
import { firstFrame, openWatch, signIn } from './console.js';
import type { Demo } from './demo.js';
import { collectedFrames, collectFrames } from './stamps.js';

/** What was shown of the demo's own session, up to its end. */
export interface Watched {
  viewer: Locator;
  firstFrameMs: number;
  frames: number;
  readable: number;
  lastStampBeforeEndMs: number;
  lastShownAfterEndMs: number;
}

/**
 * Watches the demo's session as its holder until the page says that it is over, and checks that the picture went on until
 * then and no frame was drawn later.
 *
 * @param live what to look at while the picture runs
 */
export async function watchToTheEnd(page: Page, demo: Demo, live: (viewer: Locator) => Promise<void>): Promise<Watched> {
  await signIn(page, demo, demo.account('viewer'));
  const first = firstFrame(page);
  await openWatch(page, demo.facts.booking.id);
  const viewer = page.locator('curfew-viewer');
  await viewer.waitFor();
  await collectFrames(viewer);
  const firstFrameMs = Math.round(await first);
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await live(viewer);

  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible({ timeout: demo.endsAt - Date.now() + 20_000 });
  const frames = await collectedFrames(viewer);
  const stamps = frames.flatMap(({ stamp }) => (stamp === null ? [] : [stamp]));
  const last = Math.max(...stamps);
  const watched = {
    firstFrameMs,
    frames: frames.length,
    readable: stamps.length,
    lastStampBeforeEndMs: demo.endsAt - last,
    lastShownAfterEndMs: Math.round(Math.max(...frames.map(({ shownAt }) => shownAt)) - demo.endsAt),
  };
  console.log(JSON.stringify(watched));
  // That it is not cut early; the instant itself is measured by `make bench`, from the packets.
  expect(last, 'a frame of the last two seconds was shown').toBeGreaterThanOrEqual(demo.endsAt - 2_000);
  expect(last, 'and none stamped at the end or after it').toBeLessThan(demo.endsAt);
  return { viewer, ...watched };
}
