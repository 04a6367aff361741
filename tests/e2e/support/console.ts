import { expect, type Browser, type Page } from '@playwright/test';
import type { Account, Demo } from './demo.js';

/** Signs in through the page, as a person does. */
export async function signIn(page: Page, demo: { facts: Pick<Demo['facts'], 'url'> }, account: Pick<Account, 'email' | 'password'>): Promise<void> {
  await page.goto(`${demo.facts.url}/#/sign-in`);
  await page.locator('input[name=email]').fill(account.email);
  await page.locator('input[name=password]').fill(account.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Robots' })).toBeVisible();
}

/** Somebody who asks the REST interface beside the page under test. */
export interface Person {
  kept: { token: string; user: { id: string; name: string } };
  ask: (route: string, body?: unknown, method?: string) => Promise<unknown>;
}

export async function person(demo: Demo, { email, password }: Pick<Account, 'email' | 'password'>): Promise<Person> {
  const send = async (route: string, body: unknown, method: string, headers: Record<string, string> = {}) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const reply = await fetch(demo.facts.url + route, { method, headers: { 'content-type': 'application/json', ...headers }, ...init });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${route} was answered ${reply.status}: ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  const signedIn = (await send('/auth/login', { email, password }, 'POST')) as { access_token: string; user: Person['kept']['user'] };
  const { access_token: token, user } = signedIn;
  return {
    kept: { token, user },
    ask: (route, body, method = body === undefined ? 'GET' : 'POST') => send(route, body, method, { authorization: `Bearer ${token}` }),
  };
}

/** A new account, a viewer's, made by the demo's admin. */
export async function newcomer(demo: Demo, name: string): Promise<{ name: string; email: string; password: string }> {
  const account = { name, email: `${name.toLowerCase()}@example.org`, password: 'a long enough password' };
  const admin = await person(demo, demo.account('admin'));
  await admin.ask('/admin/users', { ...account, role: 'viewer' });
  return account;
}

/** A page of a browser of its own, as whoever else uses the console has it. */
export async function elsewhere(browser: Browser, demo: Demo, who: Account['role'] | Person, at: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await signedIn(page, demo, who);
  await page.goto(`${demo.facts.url}/#/${at}`);
  return page;
}

/** Makes every page of this tab begin signed in, as after a reload. Call before the first `goto`. */
export async function signedIn(page: Page, demo: Demo, who: Account['role'] | Person): Promise<void> {
  const { kept } = typeof who === 'string' ? await person(demo, demo.account(who)) : who;
  await page.addInitScript((text) => sessionStorage.setItem('curfew.sign-in', text), JSON.stringify(kept));
}

/** A window that begins and ends so many milliseconds from now. */
export function span(fromMs: number, toMs: number, now = Date.now()): { starts_at: string; ends_at: string } {
  return { starts_at: new Date(now + fromMs).toISOString(), ends_at: new Date(now + toMs).toISOString() };
}

/** Tells the page that it is looked at again: it then asks at once for what it would ask for some seconds later. */
export async function lookAgain(page: Page): Promise<void> {
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
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
