import { expect, test } from '@playwright/test';
import { firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

/** Writes docs/console.png, the picture in the README. */
test('the watch page', async ({ page }) => {
  const demo = await Demo.start(5);
  try {
    await page.setViewportSize({ width: 1120, height: 860 });
    await signIn(page, demo, demo.account('viewer'));
    const first = firstFrame(page);
    await openWatch(page, demo.facts.booking.id);
    await first;
    await expect(page.locator('curfew-viewer').getByText(/^\d+ ms$/)).toBeVisible();
    await page.screenshot({ path: '../../docs/console.png' });
  } finally {
    await demo.stop();
  }
});
