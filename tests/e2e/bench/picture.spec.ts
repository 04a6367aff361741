import { test } from '@playwright/test';
import { ask, firstFrame, openWatch, signIn } from '../support/console.js';
import { Demo } from '../support/demo.js';
import { Line } from '../support/line.js';
import { collectFrames, shownSince } from '../support/stamps.js';

const OPENINGS = 20;
const CRASHES = 20;
const OUTAGES = 10;
const OUTAGE_MS = 5_000;
/** How soon a picture that went is to be back, however it went. */
const BACK_LIMIT_MS = 3_000;

/** The value that this share of the samples does not pass. */
function percentile(samples: number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

function report(what: string, samples: number[], share: number, limitMs: number): void {
  const value = percentile(samples, share);
  const verdict = value <= limitMs ? 'ok' : 'FAIL';
  const spread = `median ${percentile(samples, 0.5).toFixed(0)} ms, maximum ${Math.max(...samples).toFixed(0)} ms`;
  process.stdout.write(
    `  ${verdict.padEnd(5)} ${what}: p${share * 100} ${value.toFixed(0)} ms (limit ${limitMs} ms; ${spread}, n=${samples.length})\n`,
  );
  if (value > limitMs) throw new Error(`${what} is past its limit`);
}

test('the first decoded frame after the watch page is opened', async ({ page }) => {
  const demo = await Demo.start(5);
  try {
    await signIn(page, demo, demo.account('viewer'));
    const samples: number[] = [];
    for (let opening = 0; opening < OPENINGS; opening += 1) {
      const frame = firstFrame(page);
      await openWatch(page, demo.facts.booking.id);
      samples.push(await frame);
      await page.evaluate(() => {
        location.hash = '#/bookings';
      });
      await page.getByRole('heading', { level: 1, name: 'My bookings' }).waitFor();
    }
    report('first decoded frame in Chromium', samples, 0.5, 400);
  } finally {
    await demo.stop();
  }
});

test('the picture after a crash of the server, counted from its new start', async ({ page }) => {
  test.setTimeout(600_000);
  const demo = await Demo.start(5);
  try {
    await signIn(page, demo, demo.account('admin'));
    const other = demo.facts.robots.find(({ id }) => id !== demo.facts.booking.robot_id);
    const samples: number[] = [];
    const booked = (await ask(page, '/bookings', {
      robot_id: other?.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 590_000).toISOString(),
    })) as { id: string };
    const before = firstFrame(page);
    await openWatch(page, booked.id);
    await before;
    for (let crash = 0; crash < CRASHES; crash += 1) {
      const again = firstFrame(page);
      const startedAt = await demo.crashAndRestart();
      await again;
      samples.push(Date.now() - startedAt);
    }
    report('picture back after kill -9', samples, 0.99, BACK_LIMIT_MS);
  } finally {
    await demo.stop();
  }
});

test('the picture after a crash of the robot, counted from its new start', async ({ page }) => {
  test.setTimeout(600_000);
  const demo = await Demo.start(5);
  try {
    await signIn(page, demo, demo.account('admin'));
    const robot = (await ask(page, '/admin/robots', { slug: 'rover-1', name: 'Rover 1', type: 'rover' })) as { id: string };
    const { token } = (await ask(page, `/admin/robots/${robot.id}/credentials`, {})) as { token: string };
    const booked = (await ask(page, '/bookings', {
      robot_id: robot.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 590_000).toISOString(),
    })) as { id: string };
    let agent = await demo.robot(token, ['front']);
    const first = firstFrame(page);
    await openWatch(page, booked.id);
    await first;
    await collectFrames(page.locator('curfew-viewer'));
    const samples: number[] = [];
    for (let crash = 0; crash < CRASHES; crash += 1) {
      await agent.crash();
      const startedAt = Date.now();
      agent = await demo.robot(token, ['front']);
      samples.push((await shownSince(page, startedAt)) - startedAt);
    }
    await agent.stop();
    report('picture back after kill -9 of the robot', samples, 0.99, BACK_LIMIT_MS);
  } finally {
    await demo.stop();
  }
});

test('the picture after the viewer had no network for five seconds, counted from its return', async ({ page }) => {
  test.setTimeout(600_000);
  const demo = await Demo.start(5);
  const line = await Line.to(demo.facts.url);
  try {
    await signIn(page, { facts: { ...demo.facts, url: line.url } }, demo.account('viewer'));
    const first = firstFrame(page);
    await openWatch(page, demo.facts.booking.id);
    await first;
    await collectFrames(page.locator('curfew-viewer'));
    const samples: number[] = [];
    for (let outage = 0; outage < OUTAGES; outage += 1) {
      line.cut();
      await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      line.mend();
      const mendedAt = Date.now();
      samples.push((await shownSince(page, mendedAt)) - mendedAt);
    }
    report('picture back after 5 s without network', samples, 0.99, BACK_LIMIT_MS);
  } finally {
    line.close();
    await demo.stop();
  }
});
