import { expect, test } from '@playwright/test';
import { complaints, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { collectedFrames, collectFrames } from '../support/stamps.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(1);
});
test.afterAll(() => demo?.stop());

test('a booked viewer sees the robot until the window ends, and not one frame longer', async ({ page }) => {
  const heard = complaints(page);
  await signIn(page, demo, demo.account('viewer'));
  const first = firstFrame(page);
  await openWatch(page, demo.facts.booking.id);
  const viewer = page.locator('curfew-viewer');
  await viewer.waitFor();
  await collectFrames(viewer);

  const openedToFrameMs = await first;
  test.info().annotations.push({ type: 'first frame after ms', description: openedToFrameMs.toFixed(0) });
  expect(openedToFrameMs).toBeLessThan(5000);
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await expect(viewer.getByText(/^\d+ ms$/)).toBeVisible();

  await expect(viewer.getByText('10 seconds left')).toBeVisible({ timeout: demo.endsAt - Date.now() });
  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible({ timeout: 20_000 });
  await expect(viewer.getByText('The booked time is over.')).toBeVisible();

  const frames = await collectedFrames(viewer);
  const stamps = frames.flatMap(({ stamp }) => (stamp === null ? [] : [stamp]));
  const last = Math.max(...stamps);
  const figures = {
    firstFrameMs: Math.round(openedToFrameMs),
    frames: frames.length,
    readable: stamps.length,
    lastStampBeforeEndMs: demo.endsAt - last,
    lastShownAfterEndMs: Math.round(Math.max(...frames.map(({ shownAt }) => shownAt)) - demo.endsAt),
  };
  console.log(JSON.stringify(figures));
  expect(stamps.length, 'stamps survive the codec').toBeGreaterThan(frames.length * 0.95);
  expect(last, 'a frame of the last 500 ms was shown').toBeGreaterThanOrEqual(demo.endsAt - 500);
  expect(last, 'and none stamped at the end or after it').toBeLessThan(demo.endsAt);

  const state = await viewer.evaluate((element) => {
    const { video } = element as HTMLElement & { video: HTMLVideoElement };
    return { stream: video.srcObject, shown: video.checkVisibility() };
  });
  expect(state, 'nothing is left of the picture').toEqual({ stream: null, shown: false });
  expect(heard).toEqual([]);
});
