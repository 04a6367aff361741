import { expect, test, type Page } from '@playwright/test';
import { elsewhere, newcomer, person, signedIn, span } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

/** The calendar of the second robot, a week on: days on which nothing has begun yet. */
async function calendar(page: Page): Promise<void> {
  await page.goto(`${demo.facts.url}/#/calendar/${demo.facts.robots[1]?.id}`);
  await page.getByRole('button', { name: 'week after' }).click();
  await expect(page.locator('.cal-block.free').first()).toBeVisible();
}

test('a free slot is booked with two clicks', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await calendar(page);
  await page.locator('.cal-block.free').first().click();
  await page.getByRole('button', { name: /^Book Arm 1/ }).click();
  await expect(page.getByText(/^Booked: Arm 1, .* \(1 h\)\.$/)).toBeVisible();
});

test('a window is drawn by dragging, and its end is pulled', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await calendar(page);
  const slots = page.locator('.cal-day').nth(2).locator('.cal-block.free');
  await slots.nth(4).scrollIntoViewIfNeeded();
  const [from, to] = [await slots.nth(3).boundingBox(), await slots.nth(4).boundingBox()];
  if (from === null || to === null) throw new Error('the slots are not in sight');
  const x = from.x + from.width / 2;
  await page.mouse.move(x, from.y + 2);
  await page.mouse.down();
  await page.mouse.move(x, to.y + to.height / 2, { steps: 4 });
  await page.mouse.move(x, to.y + to.height - 2, { steps: 4 });
  await page.mouse.up();
  await expect(page.getByRole('heading', { name: 'Book 2 h' })).toBeVisible();
  const grip = await page.locator('.grip.end').boundingBox();
  if (grip === null) throw new Error('there is nothing to pull');
  await page.mouse.move(x, grip.y + grip.height / 2);
  await page.mouse.down();
  await page.mouse.move(x, to.y - 4, { steps: 4 });
  await page.mouse.up();
  await expect(page.getByRole('heading', { name: 'Book 1 h', exact: true })).toBeVisible();
});

test('what somebody else took meanwhile is refused, with what to do next', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await calendar(page);
  const slot = page.locator('.cal-day').nth(4).locator('.cal-block.free').first();
  await slot.click();
  const [date, hour] = [page.getByLabel('Day', { exact: true }), page.getByLabel('From')];
  const startsAt = Date.parse(`${await date.inputValue()}T${await hour.inputValue()}:00Z`);
  const other = await person(demo, await newcomer(demo, 'Nils'));
  await other.ask('/bookings', { robot_id: demo.facts.robots[1]?.id, ...span(0, 3_600_000, startsAt) });
  await page.getByRole('button', { name: /^Book Arm 1/ }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Choose another time or another robot.' })).toBeVisible();
});

test('an extension that is not decided yet is not told as done', async ({ browser }) => {
  const holder = await person(demo, await newcomer(demo, 'Olga'));
  const booked = await holder.ask('/bookings', { robot_id: demo.facts.robots[1]?.id, ...span(86_400_000, 90_000_000) });
  const page = await elsewhere(browser, demo, holder, 'bookings');
  // A server that takes more than two seconds answers so, with the booking as it is.
  await page.route('**/extend', (route) => route.fulfill({ status: 202, json: booked }));
  await page.getByRole('button', { name: /^Extend/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Extend' }).click();
  await expect(page.getByText('The request is in. The new end shows here once it is decided.')).toBeVisible();
  await page.context().close();
});

test('times are the lab’s in the calendar, and one’s own where that is said', async ({ browser }) => {
  const context = await browser.newContext({ timezoneId: 'Asia/Tokyo' });
  const page = await context.newPage();
  await signedIn(page, demo, 'viewer');
  await calendar(page);
  await expect(page.getByText("Times are the lab's: UTC, not those of your clock (Asia/Tokyo)")).toBeVisible();
  await page.locator('.cal-day').nth(5).locator('.cal-block.free').first().click();
  await expect(page.getByText(/^Where you are \(Asia\/Tokyo\): .*09:00 – 10:00/)).toBeVisible();
  await page.goto(`${demo.facts.url}/#/bookings`);
  await expect(page.getByText('Times are those of your clock: Asia/Tokyo.')).toBeVisible();
  await context.close();
});

test('a list that is empty, late or out of reach says so, and what to do', async ({ browser }) => {
  const page = await elsewhere(browser, demo, await person(demo, await newcomer(demo, 'Ida')), 'robots');
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/my-bookings*', async (route) => {
    await held;
    await route.continue();
  });
  await page.getByRole('link', { name: 'My bookings' }).click();
  await expect(page.getByText('Loading…')).toBeAttached();
  release?.();
  await expect(page.getByText('You have nothing booked.')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Choose a free time' })).toBeVisible();
  await page.unroute('**/my-bookings*');

  await page.route('**/my-bookings*', (route) => route.fulfill({ status: 500, body: 'no' }));
  await page.reload();
  await expect(page.getByText('The server could not do that (status 500). Try again in a moment.')).toBeVisible();
  await page.unroute('**/my-bookings*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('You have nothing booked.')).toBeVisible();
  await page.context().close();
});
