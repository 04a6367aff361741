import { expect, test, type Locator, type Page } from '@playwright/test';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

const MOST_PRESSES = 60;

/** Presses Tab until this has the focus, as somebody without a pointer has to. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  await wanted.waitFor();
  for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
    if (await wanted.evaluate((one) => one === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${String(wanted)} cannot be reached by Tab`);
}

async function follow(page: Page, wanted: Locator): Promise<void> {
  await tabTo(page, wanted);
  await page.keyboard.press('Enter');
}

async function signIn(page: Page, role: 'admin' | 'viewer'): Promise<void> {
  const { email, password } = demo.account(role);
  await page.goto(demo.facts.url);
  await expect(page.locator('input[name=email]')).toBeFocused();
  await page.keyboard.type(email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Robots' })).toBeFocused();
}

const link = (page: Page, name: string | RegExp) => page.getByRole('link', { name }).first();
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).first();
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

test('a viewer books, extends, cancels, watches and signs out by keyboard alone', async ({ page }) => {
  await signIn(page, 'viewer');
  await follow(page, link(page, 'Calendar'));
  await expect(heading(page, 'Calendar')).toBeFocused();
  await follow(page, button(page, 'week after'));

  // The first key chooses a free slot; arrows move it and, with shift, lengthen it.
  await tabTo(page, page.getByRole('application', { name: 'Calendar' }));
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('heading', { name: 'Book 1 h' })).toBeVisible();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Shift+ArrowDown');
  await expect(page.getByRole('heading', { name: 'Book 1 h 15 min' })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.getByText(/^Booked: .*00:15 – 01:30 \(1 h 15 min\)\.$/)).toBeVisible();

  await follow(page, link(page, 'My bookings'));
  await expect(heading(page, 'My bookings')).toBeFocused();
  const mine = page.getByRole('listitem').filter({ hasText: '00:15 – 01:30' });
  await follow(page, mine.getByRole('button', { name: /^Extend/ }));
  const dialog = page.getByRole('dialog', { name: 'Extend the booking' });
  await expect(dialog).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(mine.getByRole('button', { name: /^Extend/ })).toBeFocused();
  await page.keyboard.press('Enter');
  await follow(page, dialog.getByRole('button', { name: 'Extend' }));
  await expect(page.getByText(/^Extended: .* until 01:45\.$/)).toBeVisible();

  const extended = page.getByRole('listitem').filter({ hasText: '00:15 – 01:45' });
  await follow(page, extended.getByRole('button', { name: /^Cancel/ }));
  await follow(page, page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }));
  await expect(page.getByText('The booking is cancelled.')).toBeVisible();

  await follow(page, link(page, /^Watch/));
  await expect(page.locator('curfew-viewer').getByText('Live', { exact: true })).toBeVisible();
  await follow(page, button(page, 'Sign out'));
  await expect(heading(page, 'Sign in')).toBeVisible();
});

test('an administrator reaches every page, and ends a session, by keyboard alone', async ({ page }) => {
  await signIn(page, 'admin');
  for (const [name, title] of [['Fleet', 'Fleet'], ['People', 'People'], ['Rules', "The lab's rules"], ['Sessions', 'Sessions']] as const) {
    await follow(page, page.getByRole('navigation').getByRole('link', { name, exact: true }));
    await expect(heading(page, title)).toBeFocused();
  }
  await follow(page, button(page, /^Terminate…/));
  // The dialog begins in its field, and Tab stays inside.
  await expect(page.getByLabel('Reason, shown to the holder')).toBeFocused();
  await page.keyboard.type('The arm must be looked at.');
  await page.keyboard.press('Enter');
  await expect(page.getByText('The session is ended.')).toBeVisible();
});

test('the way past the menu comes first', async ({ page }) => {
  await signIn(page, 'viewer');
  await page.keyboard.press('Shift+Tab');
  await tabTo(page, page.getByRole('link', { name: 'Skip to content' }));
  await page.keyboard.press('Enter');
  await expect(heading(page, 'Robots')).toBeFocused();
});
