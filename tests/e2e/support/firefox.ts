import puppeteer, { type Browser } from 'puppeteer-core';

/**
 * Starts the Firefox that the operating system brings, over WebDriver BiDi. Playwright drives only a Firefox of its own, which
 * would have to be downloaded.
 */
export async function startFirefox(): Promise<Browser> {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env['FIREFOX'] ?? '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: { 'media.autoplay.default': 0 },
  });
}
