import { defineConfig } from '@playwright/test';

/** The real binary, in the real browser that the operating system brings; nothing is mocked and nothing downloaded. */
export default defineConfig({
  outputDir: '../../target/e2e',
  reporter: [['list']],
  // Two tests beside each other leave a machine of two cores room: a browser mostly waits. What measures goes alone (package.json).
  workers: 2,
  forbidOnly: true,
  timeout: 150_000,
  // Generous: a machine that is busy with other things is no reason to fail.
  expect: { timeout: 20_000 },
  use: {
    actionTimeout: 20_000,
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--autoplay-policy=no-user-gesture-required',
      ],
    },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'product', testDir: 'product' },
    { name: 'screenshot', testDir: 'screenshot' },
    { name: 'bench', testDir: 'bench' },
  ],
});
