import { expect, test, type Locator, type Page } from '@playwright/test';
import { elsewhere, newcomer, person, signedIn, span } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(30);
});
test.afterAll(() => demo?.stop());

test.beforeEach(async ({ page }) => {
  await signedIn(page, demo, 'admin');
});

const row = (page: Page, name: string) => page.getByRole('row', { name });

async function open(page: Page, at: string): Promise<void> {
  await page.goto(`${demo.facts.url}/#/admin/${at}`);
}

/** Presses a button of a row, and gives the dialog that it opens. */
async function begin(page: Page, of: string, button: string): Promise<Locator> {
  await row(page, of).getByRole('button', { name: `${button}…` }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toBeVisible();
  return dialog;
}

/** Gives the reason that a dialog asks for, and does what it is for. */
async function confirm(dialog: Locator, button: string, reason: string): Promise<void> {
  await dialog.getByLabel(/^Reason/).fill(reason);
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await expect(dialog).toBeHidden();
}

test('a robot is added, gets a credential, connects, is renamed, loses the credential and is retired', async ({ page }) => {
  await open(page, 'robots');
  await page.getByRole('button', { name: 'Add a robot' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Rover 1');
  await page.getByLabel(/Short name/).fill('rover-1');
  await page.getByLabel(/Type/).fill('rover');
  await page.getByRole('button', { name: 'Add robot' }).click();
  const rover = row(page, 'Rover 1');
  await expect(rover).toContainText('never connected');
  await expect(rover).toContainText('none yet');

  const issuing = await begin(page, 'Rover 1', 'Credentials');
  await issuing.getByRole('button', { name: 'Issue a new one' }).click();
  const token = await page.locator('curfew-secret code').innerText();
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await expect(rover.getByRole('cell', { name: '1', exact: true })).toBeVisible();
  const agent = await demo.robot(token, ['main']);
  try {
    await expect(rover.getByText('Online')).toBeVisible();

    const editing = await begin(page, 'Rover 1', 'Edit');
    await editing.getByLabel('Name', { exact: true }).fill('Rover One');
    await editing.getByRole('button', { name: 'Save' }).click();
    const renamed = row(page, 'Rover One');
    await expect(renamed).toBeVisible();

    const revoking = await begin(page, 'Rover One', 'Credentials');
    await revoking.getByRole('button', { name: 'Revoke…' }).click();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await expect(page.getByText('The credential of Rover One is revoked.')).toBeVisible();
    await expect(renamed.getByText('Offline')).toBeVisible();
    await expect(renamed).toContainText('last seen');
    await expect(renamed).toContainText('none yet');
  } finally {
    await agent.stop();
  }

  const retiring = await begin(page, 'Rover One', 'Edit');
  await retiring.getByRole('button', { name: 'Retire…' }).click();
  await confirm(page.getByRole('dialog', { name: 'Retire Rover One?' }), 'Retire it', 'It fell down the stairs.');
  await expect(page.getByText('Retired: Rover One')).toBeVisible();
  await expect(row(page, 'Rover One')).toHaveCount(0);
});

test('a longer and a shorter session, and an emergency stop, reach whoever watches with the reason', async ({ browser, page }) => {
  const watching = await elsewhere(browser, demo, 'viewer', `watch/${demo.facts.booking.id}`);
  const viewer = watching.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();

  await open(page, 'bookings');
  const [first] = demo.facts.robots;
  await confirm(await begin(page, 'Turtle 1', 'Extend'), 'Extend', 'The class runs late.');
  await expect(viewer.getByText(/^Session extended: it now ends at .* The class runs late\.$/)).toBeVisible();
  await expect(page.getByText(/^The session with Turtle 1 ends at /)).toBeVisible();
  await confirm(await begin(page, 'Turtle 1', 'Shorten'), 'Shorten', 'The next class waits.');
  await expect(viewer.getByText(/^Session shortened: .* The next class waits\.$/)).toBeVisible();
  const ended = (await (await person(demo, demo.account('viewer'))).ask(`/bookings/${demo.facts.booking.id}`)) as { ends_at: string };
  expect(Date.parse(ended.ends_at), 'back where it was').toBe(demo.endsAt);

  await open(page, 'robots');
  expect(first?.id).toBe(demo.facts.booking.robot_id);
  await confirm(await begin(page, 'Turtle 1', 'Emergency stop'), 'Stop it now', 'Somebody stands in its way.');
  await expect(viewer.getByText('Somebody stands in its way.')).toBeVisible();
  await expect(row(page, 'Turtle 1').getByText('Emergency stop', { exact: true })).toBeVisible();
  await confirm(await begin(page, 'Turtle 1', 'Clear stop'), 'Clear the stop', 'The way is free.');
  await expect(viewer.getByText('Somebody stands in its way.')).toBeHidden();
  await expect(row(page, 'Turtle 1').getByText('Emergency stop', { exact: true })).toBeHidden();
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await watching.context().close();
});

test('maintenance ends a running session, says so, and is ended again', async ({ browser, page }) => {
  const holder = await person(demo, await newcomer(demo, 'Mona'));
  const arm = demo.facts.robots[1]?.id;
  const booked = (await holder.ask('/bookings', { robot_id: arm, ...span(0, 600_000) })) as { id: string };
  const watching = await elsewhere(browser, demo, holder, `watch/${booked.id}`);
  const viewer = watching.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();

  await open(page, 'robots');
  await confirm(await begin(page, 'Arm 1', 'Maintenance'), 'Begin maintenance', 'Its gripper is worn.');
  await expect(viewer.getByText('The robot went into maintenance.')).toBeVisible();
  await expect(viewer.getByText('Its gripper is worn.')).toBeVisible();
  await expect(row(page, 'Arm 1').getByText('Maintenance', { exact: true })).toBeVisible();
  await expect(row(page, 'Arm 1')).toContainText(/until (tomorrow )?\d\d:\d\d/);
  await watching.goto(`${demo.facts.url}/#/robots`);
  const card = watching.getByRole('listitem').filter({ hasText: 'Arm 1' });
  await expect(card.getByText('In maintenance')).toBeVisible();
  await expect(card.getByText('Free now')).toHaveCount(0);
  await (await begin(page, 'Arm 1', 'End maintenance')).getByRole('button', { name: 'End maintenance' }).click();
  await expect(page.getByText('Arm 1 can be booked again.')).toBeVisible();
  await expect(row(page, 'Arm 1').getByText('Maintenance', { exact: true })).toBeHidden();
  await watching.context().close();
});

test('a suspended person is out at once, reads what to do, and comes back when reinstated', async ({ browser, page }) => {
  const account = await newcomer(demo, 'Sam');
  const theirs = await elsewhere(browser, demo, await person(demo, account), 'bookings');
  await expect(theirs.getByRole('heading', { level: 1, name: 'My bookings' })).toBeVisible();

  await open(page, 'users');
  await confirm(await begin(page, 'Sam', 'Suspend'), 'Suspend', 'The account was shared.');
  await expect(row(page, 'Sam').getByText('suspended')).toBeVisible();
  await theirs.getByRole('link', { name: 'Robots' }).click();
  await expect(theirs.getByRole('main')).toContainText('Ask an administrator');

  await (await begin(page, 'Sam', 'Reinstate')).getByRole('button', { name: 'Reinstate' }).click();
  await expect(page.getByText('Sam is reinstated.')).toBeVisible();
  const again = await elsewhere(browser, demo, await person(demo, account), 'robots');
  await expect(again.getByRole('heading', { name: 'Turtle 1' })).toBeVisible();
  await theirs.context().close();
  await again.context().close();
});

test('a link that is shown once is shown also to somebody who presses Esc too early', async ({ page }) => {
  await newcomer(demo, 'Emil');
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/reset-link', async (route) => {
    await held;
    await route.continue();
  });
  await open(page, 'users');
  const asking = await begin(page, 'Emil', 'Reset link');
  await asking.getByRole('button', { name: 'Make the link' }).click();
  await expect(asking.getByRole('button', { name: 'One moment…' })).toBeVisible();
  await page.keyboard.press('Escape');
  release?.();
  await expect(page.locator('curfew-secret code')).toContainText('/#/redeem/');
});

test('a reset link sets a new password once', async ({ browser, page }) => {
  const account = await newcomer(demo, 'Rita');
  await open(page, 'users');
  await (await begin(page, 'Rita', 'Reset link')).getByRole('button', { name: 'Make the link' }).click();
  const link = await page.locator('curfew-secret code').innerText();
  await page.getByRole('button', { name: 'I have copied it' }).click();

  const theirs = await (await browser.newContext()).newPage();
  await theirs.goto(link);
  await theirs.getByLabel('New password').fill('another long password');
  await theirs.getByRole('button', { name: 'Set password' }).click();
  await expect(theirs.getByRole('heading', { level: 1, name: 'Robots' })).toBeVisible();
  await expect(person(demo, account), 'the old password is gone').rejects.toThrow(/answered 401/);
  await person(demo, { ...account, password: 'another long password' });

  await theirs.goto('about:blank');
  await theirs.goto(link);
  await theirs.getByLabel('New password').fill('yet another password');
  await theirs.getByRole('button', { name: 'Set password' }).click();
  await expect(theirs.getByRole('alert')).toContainText('Ask an administrator for a new one.');
  await theirs.context().close();
});

test('a role is changed, and opens what it opens', async ({ browser, page }) => {
  const account = await newcomer(demo, 'Otis');
  await open(page, 'users');
  const dialog = await begin(page, 'Otis', 'Role');
  await dialog.getByLabel('Role').selectOption('admin');
  await dialog.getByRole('button', { name: 'Change role' }).click();
  await expect(page.getByText('Otis is an admin now.')).toBeVisible();
  const theirs = await elsewhere(browser, demo, await person(demo, account), 'admin/users');
  await expect(theirs.getByRole('row', { name: 'Otis' })).toContainText('This is you');
  await theirs.context().close();
});

test('rules are changed with a reason, kept, and hold for the next booking', async ({ page }) => {
  await open(page, 'rules');
  const ahead = page.getByLabel(/Days ahead/);
  await ahead.fill('7');
  await page.getByLabel('Why, for the log').fill('A busy month.');
  await page.getByRole('button', { name: 'Save the rules' }).click();
  await expect(page.getByText('The rules are changed.')).toBeVisible();
  await page.reload();
  await expect(ahead).toHaveValue('7');
  const viewer = await person(demo, demo.account('viewer'));
  const far = span(10 * 86_400_000, 10 * 86_400_000 + 3_600_000);
  await expect(viewer.ask('/bookings', { robot_id: demo.facts.robots[0]?.id, ...far })).rejects.toThrow(/at most 7 days ahead/);
});

test('a stop that the robot did not answer is told from one after which it stands still', async ({ page }) => {
  const reply = { engaged_at: new Date().toISOString(), reason: 'Somebody stands in its way.' };
  const stops = [{ ...reply, acknowledged_at: null }, { ...reply, acknowledged_at: reply.engaged_at }];
  // The simulated robots answer at once: what a slow one leaves open is put into the server's list here.
  await page.route(/\/admin\/robots\?/, async (route) => {
    const fetched = await route.fetch();
    const list = (await fetched.json()) as { items: object[] };
    const items = list.items.map((item, at) => ({ ...item, maintenance: true, ...(stops[at] === undefined ? {} : { emergency_stop: true, stop: stops[at] }) }));
    await route.fulfill({ response: fetched, json: { ...list, items } });
  });
  await open(page, 'robots');
  await expect(row(page, 'Turtle 1').getByText('not answered yet')).toBeVisible();
  await expect(row(page, 'Turtle 1')).toContainText(/since \d\d:\d\d: Somebody stands in its way\./);
  await expect(row(page, 'Arm 1').getByText('stands still')).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'the longest buttons fit').toBeLessThanOrEqual(0);
});
