import { expect, test, type Page } from '@playwright/test';
import { signedIn } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { furnish } from '../support/pages.js';

/** Writes docs/images/*.png, the pictures in the README and in docs/CONSOLE.md. */
const FOLDER = '../../docs/images';
const DESK = { width: 1240, height: 800 };
const PHONE = { width: 360, height: 720 };

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(40);
  await furnish(demo);
});
test.afterAll(() => demo?.stop());

async function open(page: Page, role: 'admin' | 'viewer', at: string): Promise<void> {
  await signedIn(page, demo, role);
  await page.goto(`${demo.facts.url}/#/${at}`);
  await expect(page.locator('.skeleton')).toHaveCount(0);
}

/** Presses a free slot that is in sight. */
async function choose(page: Page): Promise<void> {
  const box = await page.locator('.cal-scroll').boundingBox();
  if (box === null) throw new Error('the calendar is not shown');
  await page.mouse.click(box.x + box.width * 0.6, box.y + Math.min(box.height - 40, 150));
  await expect(page.getByRole('button', { name: /^Book / })).toBeVisible();
}

test('the calendar', async ({ page }) => {
  await page.setViewportSize(DESK);
  await open(page, 'viewer', `calendar/${demo.facts.robots[0]?.id}`);
  await choose(page);
  await page.screenshot({ path: `${FOLDER}/calendar.png` });
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the watch page, ${colorScheme}`, async ({ page }) => {
    await page.setViewportSize({ ...DESK, height: 880 });
    await page.emulateMedia({ colorScheme });
    await open(page, 'viewer', `watch/${demo.facts.booking.id}`);
    await expect(page.locator('curfew-viewer').getByText(/^\d\d+ ms$/)).toBeVisible();
    await page.screenshot({ path: `${FOLDER}/watch-${colorScheme}.png` });
  });
}

test('my bookings', async ({ page }) => {
  await page.setViewportSize({ ...DESK, height: 640 });
  await open(page, 'viewer', 'bookings');
  await page.screenshot({ path: `${FOLDER}/bookings.png` });
});

test('the fleet', async ({ page }) => {
  await page.setViewportSize({ ...DESK, height: 400 });
  await open(page, 'admin', 'admin/robots');
  await page.screenshot({ path: `${FOLDER}/fleet.png` });
});

test('a phone', async ({ page }) => {
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: 'dark' });
  await open(page, 'viewer', `calendar/${demo.facts.robots[1]?.id}`);
  await page.getByRole('button', { name: 'day after' }).click();
  await page.locator('.cal-block.free').nth(8).click();
  await page.screenshot({ path: `${FOLDER}/phone.png` });
});
