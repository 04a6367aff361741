import { expect, test, type Browser, type Page } from '@playwright/test';
import { newcomer, person, signedIn, type Person } from '../support/console.js';
import { Demo } from '../support/demo.js';

/** The lab's zone here, which is neither the server's nor any browser's. */
const ZONE = 'Europe/Berlin';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
  await change({ zone: ZONE, days_ahead: 400 });
});
test.afterAll(() => demo?.stop());

async function change(rules: object): Promise<void> {
  const admin = await person(demo, demo.account('admin'));
  const before = (await admin.ask('/admin/rules')) as object;
  await admin.ask('/admin/rules', { ...before, ...rules }, 'PUT');
}

/** What the lab's clock shows at an instant, `YYYY-MM-DD HH:MM`. */
function inLab(at: number): string {
  return new Date(at).toLocaleString('sv-SE', { timeZone: ZONE }).slice(0, 16);
}

/** The next day of the lab that has so many hours, from tomorrow on. */
function dayOf(hours: number): string {
  const found = Array.from({ length: 370 * 24 }, (_, hour) => Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + hour * HOUR_MS).find(
    (at) => inLab(at).endsWith('00:00') && inLab(at + hours * HOUR_MS).endsWith('00:00') && at > Date.now() + DAY_MS,
  );
  if (found === undefined) throw new Error(`no day has ${hours} hours`);
  return inLab(found).slice(0, 10);
}

/** The calendar of the second robot, in a browser of New York, with a window chosen. */
async function calendar(browser: Browser, who: 'viewer' | Person = 'viewer'): Promise<Page> {
  const page = await (await browser.newContext({ timezoneId: 'America/New_York' })).newPage();
  await signedIn(page, demo, who);
  await page.goto(`${demo.facts.url}/#/calendar/${demo.facts.robots[1]?.id}`);
  await page.locator('.cal-block.free').first().click();
  return page;
}

test('on the day that clocks are set forward the calendar has the hours that there are', async ({ browser }) => {
  const page = await calendar(browser);
  await page.getByLabel('Day', { exact: true }).fill(dayOf(23));
  await page.getByRole('button', { name: 'Day', exact: true }).click();
  const hours = page.locator('.cal-hours span');
  await expect(hours).toHaveCount(23);
  await expect(hours.filter({ hasText: '02:00' })).toHaveCount(0);
  const free = page.locator('.cal-block.free');
  await expect(free.filter({ hasText: '01:00 – 03:00' }), 'no slot lies across it').toHaveCount(0);
  await page.getByLabel('From').fill('02:30');
  await expect(page.getByLabel('From'), 'is no time on that day').toHaveValue('03:30');
  await expect(page.getByText(/^Where you are \(America\/New_York\): .*21:30 – 22:30/)).toBeVisible();
  await page.getByRole('button', { name: /^Book Arm 1/ }).click();
  await expect(page.getByText(/^Booked: Arm 1, .*03:30 – 04:30 \(1 h\)\.$/)).toBeVisible();
  await page.context().close();
});

test('on the day that clocks are set back both hours of one name are there, and each can be booked', async ({ browser }) => {
  const page = await calendar(browser);
  await page.getByLabel('Day', { exact: true }).fill(dayOf(25));
  await page.getByRole('button', { name: 'Day', exact: true }).click();
  await expect(page.locator('.cal-hours span')).toHaveCount(25);
  await expect(page.getByText('02:00 again')).toBeVisible();
  await page.getByLabel('From').fill('01:00');
  const grid = page.getByRole('application', { name: 'Calendar' });
  for (const which of ['before', 'after']) {
    for (let step = 0; step < 4; step += 1) await grid.press('ArrowDown');
    await expect(page.getByText(`02:00 – ${which === 'before' ? '02:00' : '03:00'} (${which} the clocks are set back)`)).toBeVisible();
  }
  await page.getByLabel('Until').fill('02:30');
  await expect(page.getByRole('heading', { name: 'Book 30 min' })).toBeVisible();
  await page.getByRole('button', { name: /^Book Arm 1/ }).click();
  await expect(page.getByText(/^Booked: Arm 1, .*02:00 – 02:30 \(30 min\)\.$/)).toBeVisible();
  await page.context().close();
});

test('the calendar shows the robot and the days that the fields name', async ({ browser }) => {
  const page = await calendar(browser);
  await page.getByLabel('Robot', { exact: true }).last().selectOption('Turtle 1');
  await expect(page.locator('#calendar-of option:checked')).toHaveText('Turtle 1');
  const inTwoWeeks = inLab(Date.now() + 15 * DAY_MS).slice(0, 10);
  await page.getByLabel('Day', { exact: true }).fill(inTwoWeeks);
  await expect(page.locator('.cal-block.draft')).toBeVisible();
  await page.locator('.cal').press('PageUp');
  await page.locator('.cal').press('PageUp');
  await expect(page.locator('.cal-block.draft'), 'the week before').toBeVisible();
  await page.context().close();
});

test('nothing is offered from now that the rules refuse', async ({ browser }) => {
  // Whoever has a session now, as the demo's viewer has, is offered none from now.
  const page = await calendar(browser, await person(demo, await newcomer(demo, 'Nora')));
  await page.getByRole('button', { name: 'Clear' }).click();
  const fromNow = page.getByRole('group', { name: /is free now/ });
  await expect(fromNow.getByRole('button')).toHaveText(['15 min', '30 min', '1 h']);
  await change({ min_minutes: 30, max_minutes: 45 });
  await page.reload();
  await expect(fromNow.getByRole('button')).toHaveText(['30 min']);
  await change({ min_minutes: 1, max_minutes: 1440, closures: [inLab(Date.now()).slice(0, 10), inLab(Date.now() + DAY_MS).slice(0, 10)] });
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Book a window' })).toBeVisible();
  await expect(page.locator('.cal-block.closed').first()).toBeVisible();
  await expect(fromNow).toHaveCount(0);
  await change({ closures: [] });
  await page.context().close();
});

test('days that cannot be booked yet are veiled, and it is said until when one can', async ({ browser }) => {
  await change({ days_ahead: 2 });
  const page = await calendar(browser);
  const words = /^Windows can be booked 2 days ahead, which is until \w+ \d+ \w+\./;
  await expect(page.locator('.cal-beyond'), 'the last of seven days, and the rest of the third').toHaveCount(5);
  await expect(page.getByText(words)).toHaveCount(0);
  await page.getByLabel('Day', { exact: true }).fill(inLab(Date.now() + 4 * DAY_MS).slice(0, 10));
  await expect(page.getByText(/Choose an earlier window\.$/).first()).toBeVisible();
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.getByRole('button', { name: 'week after' }).click();
  await expect(page.getByText(words)).toBeVisible();
  await expect(page.locator('.cal-beyond')).toHaveCount(7);
  await expect(page.locator('.cal-block.free')).toHaveCount(0);
  await change({ days_ahead: 400 });
  await page.context().close();
});

test('a finger chooses by a tap, pulls the end, and books', async ({ browser }) => {
  const context = await browser.newContext({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 780 } });
  const page = await context.newPage();
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/calendar/${demo.facts.robots[1]?.id}`);
  await page.getByRole('button', { name: 'day after' }).tap();
  // It comes to lie where the button that books appears: the tap that chooses is not to press that as well.
  await page.locator('.cal-block.free').nth(9).tap();
  await expect(page.getByRole('heading', { name: 'Book 1 h' })).toBeVisible();
  const [chosen, panel] = [await page.locator('.cal-block.draft').boundingBox(), await page.locator('.calendar-side').boundingBox()];
  expect(chosen!.y + chosen!.height, 'what is chosen is in sight above the panel').toBeLessThanOrEqual(panel!.y);
  const grip = await page.locator('.grip.end').boundingBox();
  if (grip === null) throw new Error('there is nothing to pull');
  const [x, y] = [grip.x + grip.width / 2, grip.y + grip.height / 2];
  const finger = await context.newCDPSession(page);
  const row = (await page.locator('.cal-block.draft').boundingBox())!.height / 2;
  // By the events' own times it takes a second and rests before it is lifted. Lifted in full swing it throws, as Chromium takes it, and a
  // tap within a tenth of a second after that only stops the throw: the page gets no click. People take longer.
  const liftedAt = Date.now() / 1000;
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', secondsBefore: number, at: number) =>
    finger.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x, y: at }], timestamp: liftedAt - secondsBefore });
  await touch('touchStart', 1, y);
  for (const [secondsBefore, rows] of [[0.8, 0.3], [0.6, 0.6], [0.4, 0.9]] as const) await touch('touchMove', secondsBefore, y + rows * row);
  await touch('touchEnd', 0, y);
  await expect(page.getByRole('heading', { name: 'Book 1 h 30 min' })).toBeVisible();
  await page.getByRole('button', { name: /^Book Arm 1/ }).tap();
  await expect(page.getByText(/^Booked: Arm 1, .* \(1 h 30 min\)\.$/)).toBeVisible();
  await context.close();
});
