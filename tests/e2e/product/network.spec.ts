import { expect, test, type Page } from '@playwright/test';
import { connections, watchConnections } from '../support/connections.js';
import { person, signedIn, span } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { Line } from '../support/line.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

const OUTAGE_MS = 5000;

const live = (page: Page) => page.locator('curfew-viewer').getByText('Live', { exact: true });

async function watch(page: Page, url: string): Promise<void> {
  await watchConnections(page);
  await signedIn(page, demo, 'viewer');
  await page.goto(`${url}/#/watch/${demo.facts.booking.id}`);
  await expect(live(page)).toBeVisible();
}

test('a new network restarts ICE: the same connection goes on, and so does the picture', async ({ page }) => {
  await watch(page, demo.facts.url);
  const [before] = await connections(page);
  expect(before?.fragments).toHaveLength(1);
  // What the browser tells a page that came to another network.
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await expect.poll(async () => (await connections(page))[0]?.fragments.length).toBe(2);
  const mark = (await connections(page))[0]!.received;
  await expect.poll(async () => (await connections(page))[0]!.received).toBeGreaterThan(mark + 50_000);
  const all = await connections(page);
  expect(all.map(({ state }) => state), 'no second connection was needed').toEqual(['connected']);
  await expect(live(page)).toBeVisible();
});

test('after five seconds without a network the picture comes back by itself, and the page tells how it went', async ({ page }) => {
  const line = await Line.to(demo.facts.url);
  try {
    await watch(page, line.url);
    line.cut();
    const lostAt = Date.now();
    await expect(live(page)).toBeHidden();
    await page.waitForFunction((until) => Date.now() >= until, lostAt + OUTAGE_MS);
    line.mend();
    const backAt = Date.now();
    await expect(live(page)).toBeVisible();
    console.log(JSON.stringify({ outageMs: backAt - lostAt, pictureBackAfterMs: Date.now() - backAt }));

    const viewer = page.locator('curfew-viewer');
    await viewer.getByText('Connection details').click();
    await expect(viewer.getByRole('row', { name: /^Bit rate/ })).toContainText(/bit\/s/);
    await expect(viewer.getByRole('row', { name: /^Lost packets/ })).toContainText(/%/);
    await expect(viewer.getByRole('row', { name: /^Freezes/ })).toContainText(/none|s in all/);
    await expect(viewer.getByText(/Round trip to the server: \d+ ms/)).toBeVisible();
  } finally {
    line.close();
  }
});

test('a tab that slept goes on when it wakes, and shows nothing of a session that ended meanwhile', async ({ page, context }) => {
  const admin = await person(demo, demo.account('admin'));
  const booked = (await admin.ask('/bookings', { robot_id: demo.facts.robots[1]?.id, ...span(0, 600_000) })) as { id: string };
  await signedIn(page, demo, admin);
  await page.goto(`${demo.facts.url}/#/watch/${booked.id}`);
  await expect(live(page)).toBeVisible();
  const browser = await context.newCDPSession(page);
  const freeze = () => browser.send('Page.setWebLifecycleState', { state: 'frozen' });
  const wake = () => browser.send('Page.setWebLifecycleState', { state: 'active' });

  await freeze();
  const extended = new Date(Date.now() + 900_000).toISOString();
  await admin.ask(`/admin/bookings/${booked.id}/extend`, { ends_at: extended, reason: 'It may take longer.' });
  await wake();
  await expect(page.locator('curfew-viewer').getByText(/^Session extended: .* It may take longer\.$/)).toBeVisible();
  await expect(live(page)).toBeVisible();

  await freeze();
  await admin.ask(`/admin/bookings/${booked.id}/terminate`, { reason: 'The lab closes.' });
  await wake();
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByRole('heading', { name: 'Session over' })).toBeVisible();
  await expect(viewer.getByText('The lab closes.')).toBeVisible();
  const shown = await viewer.evaluate((element) => (element as HTMLElement & { video: HTMLVideoElement }).video.srcObject);
  expect(shown).toBeNull();
});
