import { expect, test, type Page } from '@playwright/test';
import { ask, complaints, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

async function watching(page: Page): Promise<void> {
  await signIn(page, demo, demo.account('viewer'));
  const first = firstFrame(page);
  await openWatch(page, demo.facts.booking.id);
  await first;
}

test('a wrong password is refused in words', async ({ page }) => {
  await page.goto(demo.facts.url);
  await expect(page).toHaveURL(/#\/sign-in$/);
  await page.locator('input[name=email]').fill(demo.account('viewer').email);
  await page.locator('input[name=password]').fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText(/\w+ \w+/);
  await expect(page).toHaveURL(/#\/sign-in$/);
});

test('an account without a booking is told so and sees nothing', async ({ page }) => {
  await signIn(page, demo, demo.account('admin'));
  const stranger = { name: 'Stranger', email: 'stranger@example.org', password: 'a long enough password' };
  await page.goto(`${demo.facts.url}/#/admin/users`);
  await page.getByRole('button', { name: 'Add a person' }).click();
  await page.getByLabel('Name').fill(stranger.name);
  await page.getByLabel('E-mail').fill(stranger.email);
  await page.getByLabel('First password').fill(stranger.password);
  await page.getByRole('button', { name: 'Add person' }).click();
  await expect(page.getByText('Stranger is added.')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();

  await signIn(page, demo, stranger);
  await openWatch(page, demo.facts.booking.id);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByRole('heading', { name: 'You cannot watch this session' })).toBeVisible();
  const shown = await viewer.evaluate((element) => (element as HTMLElement & { video: HTMLVideoElement }).video.srcObject);
  expect(shown).toBeNull();
});

test('whoever comes early waits at the door and sees the robot when the window begins', async ({ page }) => {
  await signIn(page, demo, demo.account('admin'));
  const other = demo.facts.robots.find(({ id }) => id !== demo.facts.booking.robot_id);
  // Far enough for the page to be open before it, on however busy a machine.
  const startsAt = Date.now() + 20_000;
  const booked = (await ask(page, '/bookings', {
    robot_id: other?.id,
    starts_at: new Date(startsAt).toISOString(),
    ends_at: new Date(startsAt + 60_000).toISOString(),
  })) as { id: string };
  const first = firstFrame(page);
  await openWatch(page, booked.id);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByText('Your session has not begun yet.')).toBeVisible();
  await expect(viewer.getByRole('timer', { name: 'Begins in' })).toHaveText(/^0:0\d$/);
  await first;
  expect(Date.now()).toBeGreaterThanOrEqual(startsAt);
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
});

test('no address ever carries a token, and the policy holds', async ({ page }) => {
  const heard = complaints(page);
  const addresses: string[] = [];
  page.on('request', (request) => addresses.push(request.url()));
  page.on('websocket', (socket) => addresses.push(socket.url()));
  await watching(page);
  const token = await page.evaluate(() => (JSON.parse(sessionStorage.getItem('curfew.sign-in')!) as { token: string }).token);
  expect(token.length).toBeGreaterThan(20);
  expect(addresses.filter((address) => address.includes(token) || address.includes('token='))).toEqual([]);
  expect(page.url()).not.toContain(token);
  expect(heard).toEqual([]);
});

test('a one-time link leaves the address bar and the history at once', async ({ page }) => {
  await page.goto(demo.facts.url);
  await page.goto(`${demo.facts.url}/#/redeem/not-a-real-token`);
  await expect(page.getByRole('heading', { level: 1, name: 'Set your password' })).toBeVisible();
  expect(page.url()).not.toContain('not-a-real-token');
  await expect(page.getByLabel('E-mail'), 'only a password is asked for').toHaveCount(0);
  await page.getByLabel('New password').fill('a long enough password');
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('alert')).toContainText(/\w+ \w+/);
});

test('the link of the first administrator asks who they are, and a used one says what to do', async ({ page }) => {
  await page.goto(`${demo.facts.url}/#/redeem/first-admin.not-a-real-token`);
  await expect(page.getByRole('heading', { level: 1, name: 'Welcome to Curfew' })).toBeVisible();
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('E-mail').fill('ada@example.org');
  await page.getByLabel('New password').fill('a long enough password');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await expect(page.getByRole('alert')).toContainText('Start the server again');
  await page.goto('about:blank');
  await page.goto(`${demo.facts.url}/#/redeem`);
  await page.getByLabel('Code of the link').fill('first-admin.typed');
  await expect(page.getByLabel('Your name')).toBeVisible();
});

test('where people do not register themselves they are sent to the administrators', async ({ page }) => {
  const answered = page.waitForResponse(/\/config$/);
  await page.goto(demo.facts.url);
  await answered;
  await expect(page.getByText('no account yet? Ask')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Create one' })).toHaveCount(0);
  await page.goto(`${demo.facts.url}/#/register`);
  await page.getByLabel('Your name').fill('Vera');
  await page.getByLabel('E-mail').fill('vera@example.org');
  await page.getByLabel('Password').fill('a long enough password');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await expect(page.getByRole('alert')).toContainText('Ask an admin of this lab for an account.');
});

test('an auditor looks and is offered nothing that only others may do', async ({ page }) => {
  await signIn(page, demo, demo.account('auditor'));
  await expect(page.getByRole('link', { name: /^Book/ })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'My bookings' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Calendar', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Calendar' })).toBeVisible();
  await expect(page.getByText('Book a window')).toHaveCount(0);
  await page.goto(`${demo.facts.url}/#/bookings`);
  await expect(page.getByText('Auditors read the log and book nothing.')).toBeVisible();
  await page.goto(`${demo.facts.url}/#/admin/users`);
  await expect(page.getByText('This page is for administrators.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Add a person' })).toHaveCount(0);
});

test('an admin ends a running session, and the viewer reads why', async ({ browser, page }) => {
  await watching(page);
  const office = await browser.newPage();
  await signIn(office, demo, demo.account('admin'));
  await office.goto(`${demo.facts.url}/#/admin/bookings`);
  await office.getByRole('button', { name: /^Terminate…/ }).first().click();
  await office.getByLabel('Reason, shown to the holder').fill('The arm must be looked at.');
  await office.getByRole('button', { name: 'End it now' }).click();

  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible();
  await expect(viewer.getByText('An administrator ended this session.')).toBeVisible();
  await expect(viewer.getByText('The arm must be looked at.')).toBeVisible();
  await office.close();
});

test('a robot is booked from now and watched', async ({ page }) => {
  await signIn(page, demo, demo.account('viewer'));
  const free = page.getByRole('listitem').filter({ hasText: 'Free now' }).first();
  await free.getByRole('link', { name: /^Book/ }).click();
  await page.getByRole('button', { name: '15 min' }).click();
  await expect(page.getByText(/^Booked: /)).toBeVisible();
  const first = firstFrame(page);
  await page.getByRole('link', { name: 'Watch' }).click();
  await first;
});
