import { expect, test } from '@playwright/test';
import { complaints } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { watchToTheEnd } from '../support/end.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(5);
});
test.afterAll(() => demo?.stop());

test('a booked viewer sees the robot until the window ends, and not one frame longer', async ({ page }) => {
  const heard = complaints(page);
  const { viewer, frames, readable } = await watchToTheEnd(page, demo, async (live, endsAt) => {
    await expect(live.getByText(/^\d+ ms$/)).toBeVisible();
    await expect(live.getByText('10 seconds left')).toBeVisible({ timeout: endsAt - Date.now() });
  });
  await expect(viewer.getByText('The booked time is over.')).toBeVisible();
  expect(readable, 'stamps survive the codec').toBeGreaterThan(frames * 0.95);
  const state = await viewer.evaluate((element) => {
    const { video } = element as HTMLElement & { video: HTMLVideoElement };
    return { stream: video.srcObject, shown: video.checkVisibility() };
  });
  expect(state, 'nothing is left of the picture').toEqual({ stream: null, shown: false });
  expect(heard).toEqual([]);
});
