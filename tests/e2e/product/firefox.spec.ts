import { expect, test } from '@playwright/test';
import type { Page as FirefoxPage } from 'puppeteer-core';
import { ask, signIn } from '../support/console.js';
import { Demo, ownAddress } from '../support/demo.js';
import { startFirefox } from '../support/firefox.js';
import { beRobot } from '../support/page-robot.js';
import { PAGES } from '../support/pages.js';

const MOST_PRESSES = 40;

test('in Firefox a person signs in and sees the picture move', async ({ page, context }) => {
  const demo = await Demo.start(5, ownAddress());
  const firefox = await startFirefox();
  try {
    await signIn(page, demo, demo.account('admin'));
    const robot = (await ask(page, '/admin/robots', { slug: 'vp8-1', name: 'VP8 1', type: 'vp8' })) as { id: string };
    const { token } = (await ask(page, `/admin/robots/${robot.id}/credentials`, {})) as { token: string };
    const booked = (await ask(page, '/bookings', {
      robot_id: robot.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 240_000).toISOString(),
    })) as { id: string };
    const machine = await context.newPage();
    await machine.goto(demo.facts.url);
    await beRobot(machine, token);

    const { email, password } = demo.account('admin');
    const viewer = await firefox.newPage();
    await viewer.goto(demo.facts.url);
    await (await viewer.waitForSelector('input[name=email]'))!.type(email);
    await viewer.type('input[name=password]', password);
    await viewer.keyboard.press('Enter');
    await viewer.waitForFunction(() => document.querySelector('h1')?.textContent === 'Robots');
    await viewer.evaluate((id) => {
      location.hash = `#/watch/${id}`;
    }, booked.id);
    const seconds = () =>
      viewer.evaluate(() => {
        const shown = document.querySelector<HTMLElement & { video: HTMLVideoElement }>('curfew-viewer');
        return shown?.video?.videoWidth === 320 ? shown.video.currentTime : 0;
      });
    await expect.poll(seconds, { timeout: 30_000 }).toBeGreaterThan(0);
    const seen = await seconds();
    await expect.poll(seconds, { timeout: 30_000 }).toBeGreaterThan(seen + 1);
    const said = await viewer.evaluate(() => document.querySelector('curfew-viewer')!.shadowRoot!.textContent);
    expect(said).toContain('Live');
  } finally {
    await firefox.close();
    await demo.stop();
  }
});

test('in Firefox every page is reached by keyboard and fits a phone, light and dark', async () => {
  const demo = await Demo.start(5);
  const firefox = await startFirefox();
  try {
    const { email, password } = demo.account('admin');
    const page = await firefox.newPage();
    await page.setViewport({ width: 360, height: 780 });
    await page.goto(demo.facts.url);
    await (await page.waitForSelector('input[name=email]'))!.type(email);
    await page.type('input[name=password]', password);
    await page.keyboard.press('Enter');
    await focused(page, /^Robots$/);
    for (const { link, heading } of PAGES) {
      if (link === undefined) continue;
      if (link !== 'Robots') await go(page, link);
      await loaded(page, typeof heading === 'string' ? new RegExp(`^${heading}$`) : heading);
      expect(await looks(page), `${link}: fits, and each theme has its colours`).toEqual({ overflow: [0, 0], themes: 2 });
    }

    // And what one comes for: a window is chosen, booked, and taken back.
    await go(page, 'Calendar');
    await loaded(page, /^Calendar$/);
    // The heading is called as the calendar is.
    await page.keyboard.press('Tab');
    await tabTo(page, 'Calendar', 'on');
    await page.keyboard.press('PageDown');
    await page.keyboard.press('PageDown');
    await page.keyboard.press('Enter');
    await said(page, 'Booked: ');
    await go(page, 'My bookings');
    await loaded(page, /^My bookings$/);
    await tabTo(page, 'Cancel', 'on');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Cancel it', 'on');
    await page.keyboard.press('Enter');
    await said(page, 'The booking is cancelled.');
  } finally {
    await firefox.close();
    await demo.stop();
  }
});

/** Waits until the heading of this name has the focus. */
async function focused(page: FirefoxPage, name: RegExp): Promise<void> {
  await page.waitForFunction(
    (source) => document.activeElement?.tagName === 'H1' && new RegExp(source).test(document.activeElement.textContent ?? ''),
    {},
    name.source,
  );
}

/** Waits until the page of this heading is there, with what it shows. */
async function loaded(page: FirefoxPage, heading: RegExp): Promise<void> {
  await focused(page, heading);
  await page.waitForFunction(() => document.querySelector('.skeleton') === null);
}

/** Goes to a page by the folded menu. */
async function go(page: FirefoxPage, link: string): Promise<void> {
  await tabTo(page, 'Menu', 'back');
  await page.keyboard.press('Enter');
  await tabTo(page, link, 'on');
  await page.keyboard.press('Enter');
}

/** Waits until the page tells this outcome. */
async function said(page: FirefoxPage, text: string): Promise<void> {
  await page.waitForFunction((begin) => document.querySelector('.outcome')?.textContent?.trim().startsWith(begin), {}, text);
}

/** Presses Tab until what begins with this text, or is named so, has the focus; past the page's ends it would go to Firefox's own window. */
async function tabTo(page: FirefoxPage, text: string, direction: 'on' | 'back'): Promise<void> {
  if (direction === 'back') await page.keyboard.down('Shift');
  for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
    const at = await page.evaluate(() => document.activeElement?.ariaLabel ?? document.activeElement?.textContent?.trim() ?? '');
    if (at.startsWith(text)) {
      if (direction === 'back') await page.keyboard.up('Shift');
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`${text} cannot be reached by Tab`);
}

/** How far the page is wider than the screen, and how many different backgrounds its themes have. */
async function looks(page: FirefoxPage): Promise<{ overflow: number[]; themes: number }> {
  return page.evaluate(() => {
    const root = document.documentElement;
    const seen = ['light', 'dark'].map((theme) => {
      root.dataset['theme'] = theme;
      return { over: Math.max(0, root.scrollWidth - innerWidth), colour: getComputedStyle(root).backgroundColor };
    });
    return { overflow: seen.map(({ over }) => over), themes: new Set(seen.map(({ colour }) => colour)).size };
  });
}
