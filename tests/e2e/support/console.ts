import { expect, type Page } from '@playwright/test';
import type { Account, Demo } from './demo.js';

/** Signs in through the page, as a person does. */
export async function signIn(page: Page, demo: Demo, account: Pick<Account, 'email' | 'password'>): Promise<void> {
  await page.goto(`${demo.facts.url}/#/sign-in`);
  await page.locator('input[name=email]').fill(account.email);
  await page.locator('input[name=password]').fill(account.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Robots' })).toBeVisible();
}

/** Makes every page of this tab begin signed in, as after a reload. Call before the first `goto`. */
export async function signedIn(page: Page, demo: Demo, role: Account['role']): Promise<void> {
  const { email, password } = demo.account(role);
  const reply = await fetch(`${demo.facts.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  const { access_token: token, user } = (await reply.json()) as { access_token: string; user: unknown };
  await page.addInitScript((kept) => sessionStorage.setItem('curfew.sign-in', kept), JSON.stringify({ token, user }));
}

/** Opens the watch page of a booking in the signed-in tab. */
export async function openWatch(page: Page, booking: string): Promise<void> {
  await page.evaluate((id) => {
    location.hash = `#/watch/${id}`;
  }, booking);
}

/** Asks the REST interface from inside the signed-in page. */
export async function ask(page: Page, route: string, body: unknown): Promise<unknown> {
  return page.evaluate(
    async ([to, text]) => {
      const { token } = JSON.parse(sessionStorage.getItem('curfew.sign-in') ?? '{}') as { token: string };
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      return (await fetch(to, { method: 'POST', headers, body: text })).json() as Promise<unknown>;
    },
    [route, JSON.stringify(body)] as const,
  );
}

/** Milliseconds from opening the watch page to the first frame shown. Call before opening it. */
export function firstFrame(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        document.addEventListener(
          'curfew-first-frame',
          (event) => resolve((event as CustomEvent<{ afterMs: number }>).detail.afterMs),
          { once: true },
        );
      }),
  );
}

/** Everything that the browser complained about: scripts that failed, the policy that was violated. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('pageerror', (error) => heard.push(error.message));
  page.on('console', (message) => {
    // A refused request is part of some tests; the browser notes each in the console by itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) heard.push(message.text());
  });
  return heard;
}
