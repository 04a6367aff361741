import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

const PAGES = ['robots', 'bookings', 'watch', 'admin/robots', 'admin/users', 'admin/bookings'];

/** Goes to a page and waits for what it asks the server for. */
async function visit(page: Page, at: string): Promise<void> {
  const fragment = at === 'watch' ? `watch/${demo.facts.booking.id}` : at;
  await page.goto(`${demo.facts.url}/#/${fragment}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.waitForLoadState('networkidle');
}

async function violations(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze();
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

test('every page fits a narrow screen', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await signIn(page, demo, demo.account('admin'));
  for (const at of PAGES) {
    await visit(page, at);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, at).toBeLessThanOrEqual(0);
  }
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page can be read and used by everybody, ${colorScheme}`, async ({ browser }) => {
    const context = await browser.newContext({ colorScheme });
    const page = await context.newPage();
    await page.goto(`${demo.facts.url}/#/sign-in`);
    expect(await violations(page)).toEqual([]);
    await signIn(page, demo, demo.account('admin'));
    for (const at of PAGES) {
      await visit(page, at);
      if (at === 'robots') await page.getByRole('button', { name: /^Book/ }).first().click();
      expect(await violations(page), at).toEqual([]);
    }
    await context.close();
  });
}

test('a person signs in and reaches the picture by keyboard alone', async ({ page }) => {
  const { email, password } = demo.account('viewer');
  await page.goto(demo.facts.url);
  await expect(page.locator('input[name=email]')).toBeFocused();
  await page.keyboard.type(email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Robots' })).toBeFocused();
  const watch = page.getByRole('link', { name: /^Watch/ });
  await watch.waitFor();
  for (let presses = 0; presses < 10; presses += 1) {
    await page.keyboard.press('Tab');
    if (await watch.evaluate((link) => link === document.activeElement)) break;
  }
  await page.keyboard.press('Enter');
  await expect(page.locator('curfew-viewer').getByText('Live', { exact: true })).toBeVisible();
});
