import { test } from '@playwright/test';
import { Demo } from '../support/demo.js';
import { furnish, leave, PAGES, strain, visit } from '../support/pages.js';

/** Writes a picture of every page and of what opens on it to target/gallery, for somebody to look at. */
const FOLDER = '../../target/gallery';
const SIZES = { phone: { width: 360, height: 780 }, desk: { width: 1280, height: 860 } };

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(40);
  await furnish(demo);
  await strain(demo);
});
test.afterAll(() => demo?.stop());

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const shown of PAGES) {
      test(`${shown.at}, ${size}, ${colorScheme}`, async ({ page }) => {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await visit(page, demo, shown);
        const file = `${FOLDER}/${size}-${colorScheme}-${shown.at.replace('/', '-')}`;
        await page.screenshot({ path: `${file}.png`, fullPage: true });
        for (const { name, open } of shown.opened ?? []) {
          await open(page);
          await page.screenshot({ path: `${file}-${name}.png` });
          if (await page.getByRole('dialog').isVisible()) await leave(page);
        }
      });
    }
  }
}
