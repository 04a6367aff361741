import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { Demo } from '../support/demo.js';
import { furnish, goTo, leave, PAGES, strain, visit } from '../support/pages.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(30);
  await furnish(demo);
  await strain(demo);
});
test.afterAll(() => demo?.stop());

// Each page is looked at for itself, and axe takes its time.
test.describe.configure({ mode: 'parallel' });

const WIDTHS = [360, 1280];

/** Everything that axe knows, in light; in dark what colours can change. Of an open dialog, what lies behind it was seen before. */
async function check(page: Page, where: string): Promise<void> {
  const within = (await page.locator('dialog[open]').count()) > 0 ? 'dialog[open]' : 'html';
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await new AxeBuilder({ page }).include(within).analyze();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await new AxeBuilder({ page }).include(within).withRules(['color-contrast', 'link-in-text-block']).analyze();
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

for (const shown of PAGES) {
  test(`${shown.at}: everybody can read and use it, on a phone and a desk, light and dark`, async ({ page }) => {
    await visit(page, demo, shown);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      await goTo(page, demo, shown);
      await check(page, `${shown.at} at ${width} px`);
      if (width === 360) expect(await small(page), 'large enough for a finger').toEqual([]);
      // What opens is the same dialog at both widths, only narrower: the narrow one is the harder.
      for (const { name, open } of width === 360 ? (shown.opened ?? []) : []) {
        await open(page);
        await check(page, `${shown.at} at ${width} px, ${name}`);
        expect(await small(page), `${name}: large enough for a finger`).toEqual([]);
        if (await page.getByRole('dialog').isVisible()) await leave(page);
      }
    }
  });
}

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
