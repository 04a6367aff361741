import { expect, type Page } from '@playwright/test';
import { person, signedIn, span } from './console.js';
import type { Account, Demo } from './demo.js';

/** What opens on a page, and has to be as good as the page itself. */
export interface Opened {
  name: string;
  open: (page: Page) => Promise<void>;
}

/** A page of the console, as whoever uses it most sees it. */
export interface ConsolePage {
  /** Its address behind `#/`; `watch` stands for the demo's session, `robot` for its first robot. */
  at: string;
  heading: string | RegExp;
  as: Account['role'] | null;
  /** The link in the menu that leads to it. */
  link?: string;
  opened?: Opened[];
}

function press(name: string, button: string | RegExp): Opened {
  return { name, open: (page) => page.getByRole('button', { name: button }).first().click() };
}

/** Every page, with what opens on it. A new one belongs in here: then it is held to what all are held to. */
export const PAGES: readonly ConsolePage[] = [
  { at: 'sign-in', heading: 'Sign in', as: null },
  { at: 'register', heading: 'Create an account', as: null },
  { at: 'redeem', heading: 'Set your password', as: null },
  { at: 'redeem/first-admin.code', heading: 'Welcome to Curfew', as: null },
  { at: 'robots', heading: 'Robots', as: 'admin', link: 'Robots' },
  {
    at: 'calendar',
    heading: 'Calendar',
    as: 'viewer',
    link: 'Calendar',
    opened: [{ name: 'chosen', open: (page) => page.locator('.cal-block.free').last().click() }],
  },
  {
    at: 'bookings',
    heading: 'My bookings',
    as: 'viewer',
    link: 'My bookings',
    opened: [press('extend', /^Extend/), press('invite', /^(Invite|Guests)/), press('cancel', /^Cancel/)],
  },
  { at: 'account', heading: 'Your account', as: 'viewer', link: 'Your account' },
  {
    at: 'watch',
    heading: 'Turtle 1',
    as: 'viewer',
    opened: [{ name: 'details', open: (page) => page.getByText('Connection details').click() }],
  },
  {
    at: 'admin/bookings',
    heading: 'Sessions',
    as: 'admin',
    link: 'Sessions',
    opened: [press('extend', /^Extend…/), press('shorten', /^Shorten…/), press('terminate', /^Terminate…/)],
  },
  {
    at: 'admin/robots',
    heading: 'Fleet',
    as: 'admin',
    link: 'Fleet',
    opened: [
      press('add', 'Add a robot'),
      press('edit', /^Edit…/),
      press('credentials', /^Credentials…/),
      press('maintenance', /^Maintenance…/),
      press('stop', /^Emergency stop…/),
    ],
  },
  {
    at: 'admin/users',
    heading: 'People',
    as: 'admin',
    link: 'People',
    opened: [press('add', 'Add a person'), press('role', /^Role…/), press('suspend', /^Suspend…/), press('reset', /^Reset link…/)],
  },
  {
    at: 'admin/rules',
    heading: "The lab's rules",
    as: 'admin',
    link: 'Rules',
    opened: [
      {
        name: 'week',
        open: async (page) => {
          await page.getByText('Days of the week with other hours').click();
          await page.getByLabel('Friday').selectOption('Own hours');
        },
      },
    ],
  },
  { at: 'nowhere', heading: 'There is no such page', as: 'viewer' },
];

export function addressOf(demo: Demo, { at }: ConsolePage): string {
  return `${demo.facts.url}/#/${at === 'watch' ? `watch/${demo.facts.booking.id}` : at}`;
}

/** Opens a page and waits until what it shows is there. */
export async function goTo(page: Page, demo: Demo, shown: ConsolePage): Promise<void> {
  // Only another document makes the console begin anew.
  await page.goto('about:blank');
  await page.goto(addressOf(demo, shown));
  await expect(page.getByRole('heading', { level: 1, name: shown.heading })).toBeVisible();
  await expect(page.locator('.skeleton')).toHaveCount(0);
}

/** Signs in as whoever a page is for, and opens it. */
export async function visit(page: Page, demo: Demo, shown: ConsolePage): Promise<void> {
  if (shown.as !== null) await signedIn(page, demo, shown.as);
  await goTo(page, demo, shown);
}

/** Leaves the dialog that is open, if one is. */
export async function leave(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
}

const HOUR_MS = 3_600_000;

/** Books what makes a lab look like one. */
export async function furnish(demo: Demo): Promise<void> {
  const [turtle, arm] = demo.facts.robots.map(({ id }) => id);
  const hour = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
  const plan = {
    viewer: [[turtle, 3, 2], [turtle, 26, 1], [turtle, 50, 2], [arm, 22, 1]],
    admin: [[turtle, 6, 1.5], [turtle, 29, 3], [turtle, 73, 2], [turtle, 98, 1], [arm, 2, 1], [arm, 4, 2]],
  } as const;
  for (const role of ['viewer', 'admin'] as const) {
    const { ask } = await person(demo, demo.account(role));
    for (const [robot, from, hours] of plan[role]) {
      await ask('/bookings', { robot_id: robot, ...span(from * HOUR_MS, (from + hours) * HOUR_MS, hour) });
    }
  }
}

/** Adds a robot and a person with names that a page has to find room for. */
export async function strain(demo: Demo): Promise<void> {
  const admin = await person(demo, demo.account('admin'));
  const long = 'Mobile manipulator with the blue gripper and the second wrist camera';
  await admin.ask('/admin/robots', { slug: 'manipulator-with-the-blue-gripper', name: long, type: 'mobile_manipulator', cameras: ['wrist', 'base'] });
  const word = 'Maximummanipulator'.repeat(5);
  await admin.ask('/admin/robots', { slug: word.toLowerCase().slice(0, 64), name: word, type: word.slice(0, 64), cameras: [word.slice(0, 64), 'rear'] });
  const longest = { name: 'م'.repeat(100) + 'N'.repeat(100), email: `${'n'.repeat(64)}@${'sub.'.repeat(40)}example.org` };
  await admin.ask('/admin/users', { ...longest, password: 'a long enough password', role: 'viewer' });
  const viewer = await person(demo, demo.account('viewer'));
  await viewer.ask('/bookings', { robot_id: word.toLowerCase().slice(0, 64), ...span(HOUR_MS, 2 * HOUR_MS) });
  const name = 'Dr. Maximiliane Freifrau von Hohenstein-Rabenau';
  await admin.ask('/admin/users', { name, email: 'maximiliane.von.hohenstein-rabenau@robotics.example.org', password: 'a long enough password', role: 'viewer' });
}
