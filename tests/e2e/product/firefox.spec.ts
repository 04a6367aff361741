import { expect, test } from '@playwright/test';
import { ask, signIn } from '../support/console.js';
import { Demo, ownAddress } from '../support/demo.js';
import { startFirefox } from '../support/firefox.js';
import { sendVp8 } from '../support/vp8-robot.js';

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
    await sendVp8(machine, token);

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
