import { expect, type Locator, type Page } from '@playwright/test';
import { firstFrame, newcomer, openWatch, person, signIn, span } from './console.js';
import type { Demo } from './demo.js';
import { collectedFrames, collectFrames } from './stamps.js';

/** What is left of the window that is watched: long enough to open the page on a busy machine, and to see the last warning. */
const LEFT_MS = 40_000;
/** The shortest window that the demo's rules allow. */
const SHORTEST_MS = 60_000;

/** What was shown of a session, up to its end. */
export interface Watched {
  viewer: Locator;
  endsAt: number;
  firstFrameMs: number;
  frames: number;
  readable: number;
  lastStampBeforeEndMs: number;
  lastShownAfterEndMs: number;
}

/**
 * Books the demo's second robot for a window that began before, watches it as its holder until the page says that it is over, and
 * checks that the picture went on until then and no frame was drawn later.
 *
 * @param live what to look at while the picture runs
 */
export async function watchToTheEnd(page: Page, demo: Demo, live: (viewer: Locator, endsAt: number) => Promise<void>): Promise<Watched> {
  const account = await newcomer(demo, 'Wanda');
  await signIn(page, demo, account);
  const holder = await person(demo, account);
  const booked = (await holder.ask('/bookings', { robot_id: demo.facts.robots[1]?.id, ...span(LEFT_MS - SHORTEST_MS, LEFT_MS) })) as { id: string; ends_at: string };
  const endsAt = Date.parse(booked.ends_at);
  const first = firstFrame(page);
  await openWatch(page, booked.id);
  const viewer = page.locator('curfew-viewer');
  await viewer.waitFor();
  await collectFrames(viewer);
  const firstFrameMs = Math.round(await first);
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await live(viewer, endsAt);

  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible({ timeout: LEFT_MS + 20_000 });
  const frames = await collectedFrames(viewer);
  const stamps = frames.flatMap(({ stamp }) => (stamp === null ? [] : [stamp]));
  const last = Math.max(...stamps);
  const watched = {
    firstFrameMs,
    frames: frames.length,
    readable: stamps.length,
    lastStampBeforeEndMs: endsAt - last,
    lastShownAfterEndMs: Math.round(Math.max(...frames.map(({ shownAt }) => shownAt)) - endsAt),
  };
  console.log(JSON.stringify(watched));
  // That it is not cut early; the instant itself is measured by `make bench`, from the packets.
  expect(last, 'a frame of the last two seconds was shown').toBeGreaterThanOrEqual(endsAt - 2_000);
  expect(last, 'and none stamped at the end or after it').toBeLessThan(endsAt);
  return { viewer, endsAt, ...watched };
}
