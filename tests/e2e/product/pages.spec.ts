import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { signedIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

const WIDTHS = [360, 1280];

/** What opens on a page, and has to be as good as the page itself. */
type Open = (page: Page) => Promise<void>;
const press = (name: string | RegExp): Open => (page) => page.getByRole('button', { name }).first().click();

const PAGES: { at: string; heading: string; open?: Open }[] = [
  { at: 'robots', heading: 'Robots' },
  { at: 'calendar', heading: 'Calendar', open: (page) => page.locator('.cal-block.free').last().click() },
  { at: 'bookings', heading: 'My bookings', open: press(/^Extend/) },
  { at: 'watch', heading: 'Turtle 1' },
  { at: 'admin/bookings', heading: 'Sessions', open: press(/^Terminate…/) },
  { at: 'admin/robots', heading: 'Fleet', open: press(/^Emergency stop…/) },
  { at: 'admin/users', heading: 'People', open: press('Add a person') },
  { at: 'admin/rules', heading: "The lab's rules" },
  { at: 'nowhere', heading: 'There is no such page' },
];

/** Everything that axe knows, in light; in dark what colours can change. */
async function check(page: Page, where: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await new AxeBuilder({ page }).analyze();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await new AxeBuilder({ page }).withRules(['color-contrast', 'link-in-text-block']).analyze();
  const said = [light, dark].map(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`));
  expect(said, where).toEqual([[], []]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, `${where} fits`).toBeLessThanOrEqual(0);
}

/** Things to press that a finger would miss, by WCAG's 44 px; links inside sentences are let off there as here. */
async function small(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, select, input:not([type=checkbox]), a.button, nav a')]
      .filter((one) => one.checkVisibility() && !one.closest('.cal, .unseen'))
      .filter((one) => one.getBoundingClientRect().height < 44)
      .map((one) => one.outerHTML.slice(0, 120)),
  );
}

for (const { at, heading, open } of PAGES) {
  test(`${at}: everybody can read and use it, on a phone and a desk, light and dark`, async ({ page }) => {
    // An auditor's look at a session is refused, so the booking's own page is its holder's.
    await signedIn(page, demo, at === 'watch' || at === 'bookings' ? 'viewer' : 'admin');
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto('about:blank');
      await page.goto(`${demo.facts.url}/#/${at === 'watch' ? `watch/${demo.facts.booking.id}` : at}`);
      await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
      await expect(page.locator('.skeleton')).toHaveCount(0);
      await check(page, `${at} at ${width} px`);
      if (width === 360) expect(await small(page), 'large enough for a finger').toEqual([]);
      if (open !== undefined) {
        await open(page);
        await check(page, `${at} at ${width} px, opened`);
      }
    }
  });
}

test('signing in: everybody can read and use it, on a phone and a desk, light and dark', async ({ page }) => {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    for (const at of ['sign-in', 'redeem']) {
      await page.goto(`${demo.facts.url}/#/${at}`);
      await expect(page.locator('input[type=password]')).toBeVisible();
      await check(page, `${at} at ${width} px`);
    }
  }
});

test('the colours that were chosen are kept', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(demo.facts.url);
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByLabel('Colours').selectOption('Dark');
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.reload();
  await expect(page.getByLabel('Colours')).toHaveValue('dark');
  expect(await background()).toBe(dark);
});
