import { expect, test, type Locator } from '@playwright/test';
import { connections, watchConnections } from '../support/connections.js';
import { ask, elsewhere, firstFrame, newcomer, openWatch, person, signedIn, signIn, span } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { beRobot } from '../support/page-robot.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(15);
});
test.afterAll(() => demo?.stop());

/** Milliseconds that each of the viewer's pictures has played, and whether it shows something. */
async function played(viewer: Locator): Promise<{ seconds: number; width: number }[]> {
  return viewer.evaluate((element) =>
    [...element.shadowRoot!.querySelectorAll('video')].map(({ currentTime, videoWidth }) => ({
      seconds: currentTime,
      width: videoWidth,
    })),
  );
}

test('every camera of a robot is shown, and each can be the large one', async ({ page }) => {
  await signIn(page, demo, demo.account('admin'));
  const cameras = ['front', 'rear'];
  const robot = (await ask(page, '/admin/robots', { slug: 'rover-1', name: 'Rover 1', type: 'rover', cameras })) as { id: string };
  const { token } = (await ask(page, `/admin/robots/${robot.id}/credentials`, {})) as { token: string };
  const agent = await demo.robot(token, cameras);
  try {
    const booked = (await ask(page, '/bookings', {
      robot_id: robot.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 300_000).toISOString(),
    })) as { id: string };
    const first = firstFrame(page);
    await openWatch(page, booked.id);
    await first;
    const viewer = page.locator('curfew-viewer');
    await expect.poll(async () => (await played(viewer)).map(({ width, seconds }) => width > 0 && seconds > 0)).toEqual([true, true]);
    const large = () => viewer.evaluate((element) => (element as HTMLElement & { video: HTMLVideoElement }).video.ariaLabel);
    expect(await large()).toBe('Camera front');
    await viewer.getByRole('button', { name: 'rear' }).click();
    expect(await large()).toBe('Camera rear');
    await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
    await viewer.getByRole('button', { name: 'Side by side' }).click();
    await expect(viewer.getByRole('button', { name: 'Side by side' })).toHaveAttribute('aria-pressed', 'true');
  } finally {
    await agent.stop();
  }
});

test('the sound of a robot is heard once somebody asks for it', async ({ page, browser }) => {
  const admin = await person(demo, demo.account('admin'));
  const robot = (await admin.ask('/admin/robots', { slug: 'singer-1', name: 'Singer 1', type: 'singer' })) as { id: string };
  const { token } = (await admin.ask(`/admin/robots/${robot.id}/credentials`, {})) as { token: string };
  const holder = await person(demo, await newcomer(demo, 'Lena'));
  const booked = (await holder.ask('/bookings', { robot_id: robot.id, ...span(0, 300_000) })) as { id: string };
  const machine = await (await browser.newContext()).newPage();
  await machine.goto(demo.facts.url);
  await beRobot(machine, token, { sound: true });

  await watchConnections(page);
  await signedIn(page, demo, holder);
  await page.goto(`${demo.facts.url}/#/watch/${booked.id}`);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  const heard = () => viewer.evaluate((element) => {
    const audio = element.shadowRoot!.querySelector('audio')!;
    return audio.paused ? 0 : audio.currentTime;
  });
  expect(await heard(), 'nothing is played unasked').toBe(0);
  await viewer.getByRole('button', { name: 'Unmute' }).click();
  await expect.poll(heard).toBeGreaterThan(0);
  await expect.poll(async () => (await connections(page)).at(-1)?.audioEnergy).toBeGreaterThan(0.01);
  await viewer.getByRole('button', { name: 'Mute' }).click();
  await expect.poll(heard).toBe(0);
  await machine.context().close();
});

test('a reload returns to the session by itself, and says how the connection does', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/watch/${demo.facts.booking.id}`);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await page.reload();
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await viewer.getByText('Connection details').click();
  await expect(viewer.getByRole('row', { name: /^Resolution/ })).toContainText(/640 × 480/);
  await expect(viewer.getByRole('row', { name: /^Bit rate/ })).toContainText(/bit\/s/);
  await expect(viewer.getByText(/Round trip to the server: \d+ ms/)).toBeVisible();
});

test('an administrator watches a robot that nobody booked, with a reason', async ({ page }) => {
  await signedIn(page, demo, 'admin');
  await page.goto(`${demo.facts.url}/#/admin/robots`);
  await page.getByRole('button', { name: 'Watch… Arm 1' }).click();
  await page.getByLabel('Reason, for the log').fill('A look at its gripper.');
  await page.getByRole('dialog').getByRole('button', { name: 'Watch' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Arm 1' })).toBeVisible();
  await expect(page.locator('curfew-viewer').getByText('Live', { exact: true })).toBeVisible();
});

test('whoever holds the session sees that an administrator watches', async ({ browser, page }) => {
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/watch/${demo.facts.booking.id}`);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  await expect(viewer.getByText('Also watching')).toBeHidden();
  const admin = await person(demo, demo.account('admin'));
  const robot = demo.facts.booking.robot_id;
  const { room_id } = (await admin.ask(`/admin/robots/${robot}/watch`, { reason: 'A look at its wheels.' })) as { room_id: string };
  const office = await elsewhere(browser, demo, admin, `watch/${room_id}/${robot}`);
  await expect(office.locator('curfew-viewer').getByText('Live', { exact: true })).toBeVisible();
  await expect(viewer.getByText('Also watching')).toBeVisible();
  await page.reload();
  await expect(viewer.getByText('Also watching'), 'also for whoever comes later').toBeVisible();
  await office.context().close();
});

test('a robot that is offline is said to be, and its picture comes when it does', async ({ page }) => {
  const admin = await person(demo, demo.account('admin'));
  const robot = (await admin.ask('/admin/robots', { slug: 'late-1', name: 'Late 1', type: 'late' })) as { id: string };
  const { token } = (await admin.ask(`/admin/robots/${robot.id}/credentials`, {})) as { token: string };
  const holder = await person(demo, await newcomer(demo, 'Lars'));
  const booked = (await holder.ask('/bookings', { robot_id: robot.id, ...span(0, 300_000) })) as { id: string };
  await signedIn(page, demo, holder);
  await page.goto(`${demo.facts.url}/#/watch/${booked.id}`);
  const viewer = page.locator('curfew-viewer');
  await expect(viewer.getByText('The robot is offline. Its picture appears here when it is back.')).toBeVisible();
  const agent = await demo.robot(token, ['main']);
  try {
    await expect(viewer.getByText('Live', { exact: true })).toBeVisible();
  } finally {
    await agent.stop();
  }
});

test('a sign-in that ran out leads to signing in, and back to where one was', async ({ page }) => {
  const { email, password } = demo.account('viewer');
  await page.goto(demo.facts.url);
  await page.evaluate(() => {
    const user = { id: 'somebody', name: 'Somebody', role: 'viewer' };
    sessionStorage.setItem('curfew.sign-in', JSON.stringify({ token: 'not.a.token', user }));
  });
  await page.goto('about:blank');
  await page.goto(`${demo.facts.url}/#/bookings`);
  await expect(page.getByText('Your sign-in has expired.')).toBeVisible();
  await page.locator('input[name=email]').fill(email);
  await page.locator('input[name=password]').fill(password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'My bookings' })).toBeVisible();
});

test('a server that is gone is said in words, and the page goes on by itself when it is back', async ({ page, context }) => {
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/robots`);
  await expect(page.getByRole('heading', { name: 'Turtle 1' })).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText('This device is offline.')).toBeVisible();
  await page.getByRole('link', { name: 'My bookings' }).click();
  await expect(page.getByText('The server cannot be reached.')).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByRole('heading', { name: 'Turtle 1' })).toBeVisible();
  await expect(page.getByText('The server cannot be reached.')).toBeHidden();
});
