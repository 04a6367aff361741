import { expect, test } from '@playwright/test';
import { ask, complaints, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { beRobot } from '../support/page-robot.js';
import { collectedFrames, collectFrames } from '../support/stamps.js';
import { selected, withoutUdp } from '../support/transport.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(1);
});
test.afterAll(() => demo?.stop());

test('where no UDP passes, the picture comes over TCP and ends with the window all the same', async ({ page }) => {
  const heard = complaints(page);
  await withoutUdp(page);
  await signIn(page, demo, demo.account('viewer'));
  const first = firstFrame(page);
  await openWatch(page, demo.facts.booking.id);
  const viewer = page.locator('curfew-viewer');
  await viewer.waitFor();
  await collectFrames(viewer);
  const openedToFrameMs = await first;
  expect(await selected(page)).toEqual([{ protocol: 'tcp', tcpType: 'passive' }]);
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();

  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible({ timeout: demo.endsAt - Date.now() + 10_000 });
  const frames = await collectedFrames(viewer);
  const stamps = frames.flatMap(({ stamp }) => (stamp === null ? [] : [stamp]));
  const last = Math.max(...stamps);
  console.log(JSON.stringify({ firstFrameMs: Math.round(openedToFrameMs), frames: frames.length, lastStampBeforeEndMs: demo.endsAt - last }));
  expect(last, 'a frame of the last 500 ms was shown').toBeGreaterThanOrEqual(demo.endsAt - 500);
  expect(last, 'and none stamped at the end or after it').toBeLessThan(demo.endsAt);
  expect(heard).toEqual([]);
});

test('a robot whose network lets no UDP through is seen as well', async ({ page, context }) => {
  await signIn(page, demo, demo.account('admin'));
  const robot = (await ask(page, '/admin/robots', { slug: 'shy-1', name: 'Shy 1', type: 'shy', cameras: ['front'] })) as { id: string };
  const { token } = (await ask(page, `/admin/robots/${robot.id}/credentials`, {})) as { token: string };
  const sender = await context.newPage();
  await withoutUdp(sender);
  await sender.goto(demo.facts.url);
  await beRobot(sender, token);
  const { id } = (await ask(page, '/bookings', {
    robot_id: robot.id,
    starts_at: new Date().toISOString(),
    ends_at: new Date(Date.now() + 120_000).toISOString(),
  })) as { id: string };
  const first = firstFrame(page);
  await openWatch(page, id);
  await first;
  expect(await selected(sender)).toEqual([{ protocol: 'tcp', tcpType: 'passive' }]);
});
