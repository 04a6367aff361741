import { expect, test } from '@playwright/test';
import { ask, complaints, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { watchToTheEnd } from '../support/end.js';
import { beRobot } from '../support/page-robot.js';
import { selected, withoutUdp } from '../support/transport.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(5);
});
test.afterAll(() => demo?.stop());

test('where no UDP passes, the picture comes over TCP and ends with the window all the same', async ({ page }) => {
  const heard = complaints(page);
  await withoutUdp(page);
  await watchToTheEnd(page, demo, async () => {
    expect(await selected(page)).toEqual([{ protocol: 'tcp', tcpType: 'passive' }]);
  });
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
