import { expect, test, type Page } from '@playwright/test';
import { lookAgain, person, signedIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

const PEOPLE = Array.from({ length: 500 }, (_, at) => ({
  id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`,
  name: `Person ${at}`,
  email: `person-${at}@example.org`,
  role: 'viewer',
}));

/** Answers a list as the server would, from what is given here: a thousand accounts take minutes to make. */
async function answer(page: Page, route: RegExp, items: readonly { id: string }[], pageLength: number): Promise<void> {
  await page.route(route, (asked) => {
    const after = new URL(asked.request().url()).searchParams.get('after');
    const from = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
    const part = items.slice(from, from + pageLength);
    const next = from + pageLength < items.length ? part.at(-1)?.id : null;
    return asked.fulfill({ json: { items: part, next } });
  });
}

test('of five hundred people one is found by name, and all can be come to', async ({ page }) => {
  await signedIn(page, demo, 'admin');
  await answer(page, /\/admin\/users\?/, PEOPLE, 200);
  await page.goto(`${demo.facts.url}/#/admin/users`);
  const rows = page.getByRole('row', { name: /Person/ });
  await expect(rows).toHaveCount(50);
  await page.getByRole('button', { name: 'Show 50 more' }).click();
  await expect(rows).toHaveCount(100);
  await expect(page.getByText('100 of 500 are shown.')).toBeVisible();

  const search = page.getByRole('searchbox', { name: 'Find a person' });
  await search.fill('PERSON-499@');
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText('Person 499');
  await expect(page.getByText('1 of 500')).toBeVisible();
  await search.fill('nobody');
  await expect(page.getByText('Nothing here matches “nobody”.')).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(search).toHaveValue('');
  await expect(rows).toHaveCount(50);
});

test('five hundred bookings are told from each other, and those that are over come when asked for', async ({ page }) => {
  const hour = 3_600_000;
  const [turtle, arm] = demo.facts.robots;
  const booking = (at: number, status: string) => ({
    id: PEOPLE[at]!.id,
    user_id: demo.account('viewer').id,
    robot_id: (at % 2 === 0 ? turtle : arm)!.id,
    robot_type: 'turtlebot',
    starts_at: new Date(Date.now() + (status === 'ended' ? -at - 2 : at + 1) * hour).toISOString(),
    ends_at: new Date(Date.now() + (status === 'ended' ? -at - 1 : at + 2) * hour).toISOString(),
    room_id: null,
    status,
    cause: null,
    rejected: null,
  });
  const all = PEOPLE.map((_, at) => booking(at, at < 250 ? 'ended' : 'confirmed'));
  await signedIn(page, demo, 'admin');
  await answer(page, /\/bookings\?live=true/, all.slice(250), 1000);
  await page.goto(`${demo.facts.url}/#/admin/bookings`);
  const rows = page.getByRole('row', { name: /^(Turtle|Arm) 1/ });
  await expect(rows).toHaveCount(50);
  await page.getByRole('searchbox', { name: 'Find a robot or a holder' }).fill('vera arm');
  await expect(page.getByText('125 of 250')).toBeVisible();

  await page.unroute(/\/bookings\?live=true/);
  const theirs = await page.context().newPage();
  await signedIn(theirs, demo, 'viewer');
  await answer(theirs, /\/my-bookings\?/, all, 1000);
  await theirs.goto(`${demo.facts.url}/#/bookings`);
  const earlier = theirs.locator('.earlier li');
  await expect(earlier).toHaveCount(20);
  await theirs.getByRole('button', { name: 'Show 20 more' }).click();
  await expect(earlier).toHaveCount(40);
});

test('a page that is looked at again shows how things are now', async ({ page }) => {
  await signedIn(page, demo, 'admin');
  await page.goto(`${demo.facts.url}/#/admin/rules`);
  const ahead = page.getByLabel(/Days ahead/);
  await page.getByText('Days of the week with other hours').click();
  await ahead.focus();
  // Well before the minute after which it would ask by itself; and what came of the first answer is seen after the second.
  for (let looked = 0; looked < 2; looked += 1) {
    const asked = page.waitForResponse('**/admin/rules', { timeout: 30_000 });
    await lookAgain(page);
    await (await asked).finished();
  }
  await expect(ahead, 'whoever reads stays where they are').toBeFocused();
  await expect(page.getByLabel('Friday')).toBeVisible();

  const changed = async (days: number) => {
    const admin = await person(demo, demo.account('admin'));
    await admin.ask('/admin/rules', { ...((await admin.ask('/admin/rules')) as object), days_ahead: days, buffer_s: 90 }, 'PUT');
    await lookAgain(page);
    await expect(ahead).toHaveValue(String(days));
  };
  await changed(12);
  // A buffer that is no whole number of minutes is no reason to refuse the rest.
  await ahead.fill('13');
  await page.getByRole('button', { name: 'Save the rules' }).click();
  await expect(page.getByText('The rules are changed.')).toBeVisible();
  await expect(page.getByLabel('Buffer, minutes')).toHaveValue('1.5');
  await changed(14);
});
