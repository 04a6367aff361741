import { expect, test } from '@playwright/test';
import { ask, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

test('after a crash of the server the picture comes back by itself', async ({ page }) => {
  const demo = await Demo.start(5);
  try {
    // Not the demo's own session: a later start of the demo ends that one and books anew.
    await signIn(page, demo, demo.account('admin'));
    const other = demo.facts.robots.find(({ id }) => id !== demo.facts.booking.robot_id);
    const booked = (await ask(page, '/bookings', {
      robot_id: other?.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 240_000).toISOString(),
    })) as { id: string };
    const before = firstFrame(page);
    await openWatch(page, booked.id);
    await before;

    const viewer = page.locator('curfew-viewer');
    const outage = viewer.getByText('Connection to the server lost. Reconnecting…').waitFor();
    const again = firstFrame(page);
    await Promise.all([demo.crashAndRestart(), outage]);
    await again;
    await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  } finally {
    await demo.stop();
  }
});

test('a list says that the server is gone, keeps what it showed, and goes on by itself', async ({ page }) => {
  const demo = await Demo.start(5);
  try {
    await signIn(page, demo, demo.account('admin'));
    await page.goto(`${demo.facts.url}/#/admin/robots`);
    const row = page.getByRole('row', { name: 'Turtle 1' });
    await expect(row.getByText('Online')).toBeVisible();
    await demo.crash();
    await expect(page.getByText('The server cannot be reached.')).toBeVisible();
    await expect(row).toBeVisible();
    await demo.restart();
    await expect(page.getByText('The server cannot be reached.')).toBeHidden();
    await expect(row.getByText('Online')).toBeVisible();
  } finally {
    await demo.stop();
  }
});
