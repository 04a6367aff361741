import { expect, test } from '@playwright/test';
import { firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

test('after a crash of the server the picture comes back by itself', async ({ page }) => {
  const demo = await Demo.start(5);
  try {
    await signIn(page, demo, demo.account('viewer'));
    const before = firstFrame(page);
    await openWatch(page, demo.facts.booking.id);
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
