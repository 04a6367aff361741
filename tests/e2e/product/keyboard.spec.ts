import { expect, test, type Locator, type Page } from '@playwright/test';
import { newcomer, person, span } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { PAGES } from '../support/pages.js';

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

/** Comes to a field by Tab and types over what is in it. */
async function fill(page: Page, field: Locator, text: string): Promise<void> {
  await tabTo(page, field);
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type(text);
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

/** Everything in the page that can be pressed or filled in, and that Tab does not come to. */
async function outOfReach(page: Page): Promise<string[]> {
  const wanted = await page.locator('main').evaluate((main) => {
    const fits = 'button:not(:disabled), a[href], input:not(:disabled):not([hidden]), select:not(:disabled), textarea, summary';
    const shown = [...main.querySelectorAll<HTMLElement>(fits)].filter((one) => one.checkVisibility() && one.tabIndex >= 0);
    shown.forEach((one, at) => (one.dataset['wanted'] = String(at)));
    main.querySelector<HTMLElement>('h1')?.focus();
    return shown.map((one) => one.outerHTML.slice(0, 100));
  });
  const seen = new Set<string>();
  for (let presses = 0; presses < wanted.length + MOST_PRESSES && seen.size < wanted.length; presses += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset['wanted']);
    if (at !== undefined) seen.add(at);
  }
  return wanted.filter((_, at) => !seen.has(String(at)));
}

test('an administrator reaches every page and everything on it, and ends a session, by keyboard alone', async ({ page }) => {
  await signIn(page, 'admin');
  for (const { link: name, heading: title } of PAGES.filter((one) => one.link !== undefined)) {
    if (name !== 'Robots') await follow(page, page.getByRole('banner').getByRole('link', { name: new RegExp(`^${name}`) }));
    await expect(page.getByRole('heading', { level: 1, name: title })).toBeFocused();
    await expect(page.locator('.skeleton')).toHaveCount(0);
    expect(await outOfReach(page), String(title)).toEqual([]);
  }
  await follow(page, page.getByRole('navigation').getByRole('link', { name: 'Sessions' }));
  await follow(page, button(page, /^Terminate…/));
  // The dialog begins in its field, and Tab stays inside.
  await expect(page.getByLabel('Reason, shown to the holder')).toBeFocused();
  await page.keyboard.type('The arm must be looked at.');
  await page.keyboard.press('Enter');
  await expect(page.getByText('The session is ended.')).toBeVisible();
});

test('a holder invites, a person changes their password, and what is refused is read, by keyboard alone', async ({ page }) => {
  const guest = await newcomer(demo, 'Kim');
  const holder = await person(demo, demo.account('viewer'));
  await holder.ask('/bookings', { robot_id: demo.facts.robots[1]?.id, ...span(7_200_000, 10_800_000) });
  await signIn(page, 'viewer');
  await follow(page, link(page, 'My bookings'));
  const mine = page.getByRole('listitem').filter({ hasText: 'Arm 1' });
  await follow(page, mine.getByRole('button', { name: /^Invite/ }));
  const dialog = page.getByRole('dialog');
  await expect(page.getByLabel('E-mail of the guest')).toBeFocused();
  await page.keyboard.type('nobody@example.org');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('alert')).toContainText('Check the address');
  await fill(page, page.getByLabel('E-mail of the guest'), guest.email);
  await page.keyboard.press('Enter');
  await follow(page, dialog.getByRole('button', { name: 'Done' }));
  await expect(mine).toContainText('With Kim');

  await follow(page, link(page, /^Your account/));
  await fill(page, page.getByLabel('Password now'), 'not the password');
  await fill(page, page.locator('input[name=new]'), 'another long password');
  await fill(page, page.getByLabel('New password again'), 'another long password');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('The old password is wrong.');
});

test('an administrator fills in every form by keyboard alone', async ({ page }) => {
  await signIn(page, 'admin');
  const dialog = page.getByRole('dialog');
  const go = async (name: string) => {
    await follow(page, page.getByRole('navigation').getByRole('link', { name }));
    await expect(page.locator('.skeleton')).toHaveCount(0);
  };
  await go('Fleet');
  await follow(page, button(page, 'Add a robot'));
  await expect(dialog.getByLabel('Name', { exact: true })).toBeFocused();
  await page.keyboard.type('Crane 1');
  await fill(page, dialog.getByLabel(/Short name/), 'crane-1');
  await fill(page, dialog.getByLabel(/Type/), 'crane');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Crane 1 is added.')).toBeVisible();
  const crane = page.getByRole('row', { name: 'Crane 1' });
  await follow(page, crane.getByRole('button', { name: /^Credentials…/ }));
  await follow(page, dialog.getByRole('button', { name: 'Issue a new one' }));
  await expect(page.locator('curfew-secret code')).not.toBeEmpty();
  await follow(page, dialog.getByRole('button', { name: 'I have copied it' }));
  for (const [opens, acts, shows] of [
    [/^Emergency stop…/, 'Stop it now', 'Emergency stop'],
    [/^Maintenance…/, 'Begin maintenance', 'Maintenance'],
  ] as const) {
    await follow(page, crane.getByRole('button', { name: opens }));
    await fill(page, dialog.getByLabel(/^Reason/), 'Its rope is worn.');
    await follow(page, dialog.getByRole('button', { name: acts }));
    await expect(crane.getByText(shows, { exact: true })).toBeVisible();
  }

  await go('People');
  await follow(page, button(page, 'Add a person'));
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await page.keyboard.type('Konrad');
  await fill(page, dialog.getByLabel('E-mail'), 'konrad@example.org');
  await fill(page, dialog.getByLabel('First password'), 'a long enough password');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Konrad is added.')).toBeVisible();
  const konrad = page.getByRole('row', { name: 'Konrad' });
  await follow(page, konrad.getByRole('button', { name: /^Role…/ }));
  await page.keyboard.press('ArrowDown');
  await follow(page, dialog.getByRole('button', { name: 'Change role' }));
  await expect(page.getByText('Konrad is an admin now.')).toBeVisible();

  await go('Rules');
  await fill(page, page.getByLabel(/Days ahead/), '9');
  await fill(page, page.getByLabel('Why, for the log'), 'A short month.');
  await page.keyboard.press('Enter');
  await expect(page.getByText('The rules are changed.')).toBeVisible();
});

test('the way past the menu comes first', async ({ page }) => {
  await signIn(page, 'viewer');
  await page.keyboard.press('Shift+Tab');
  await tabTo(page, page.getByRole('link', { name: 'Skip to content' }));
  await page.keyboard.press('Enter');
  await expect(heading(page, 'Robots')).toBeFocused();
});
