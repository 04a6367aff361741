import { ApiError, problemOf, unreachable } from './problem.js';
import type {
  AvailableSlots,
  Booking,
  Health,
  IssuedCredential,
  LabRules,
  List,
  NewBooking,
  NewRobot,
  NewUser,
  OneTimeLink,
  PasswordChanged,
  PublicConfig,
  Robot,
  Robots,
  Role,
  ScheduledSlot,
  SignedIn,
  User,
  Watch,
  WebRtcConfig,
} from './types.js';

/** How long an answer is waited for: a line that fell silent tells nobody so. */
const PATIENCE_MS = 20_000;

export interface ClientOptions {
  /** The present token, or null when nobody is signed in. */
  token: () => string | null;
  /** Called when the server no longer takes the token. */
  onBadToken?: () => void;
  fetch?: typeof fetch;
}

interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  /** Sent without a token, and a 401 is an answer about the body, not about who is signed in. */
  open?: boolean;
  /** It makes something: asked again after its answer was lost, it makes no second one. */
  creates?: boolean;
}

/** Whoever presses the same button within this time does so because no answer came. */
const AGAIN_MS = 60_000;
/** What a proxy says when it did not hear the answer. */
const LOST = [502, 504];

/** The REST interface, one method for each route that the console uses. Every failure is an `ApiError`. */
export class Client {
  readonly #fetch: typeof fetch;
  /** The keys of what was asked and not answered, by what was asked. What is done after it may undo it, so that the same is meant anew. */
  readonly #unanswered = new Map<string, { key: string; since: number }>();

  constructor(private readonly options: ClientOptions) {
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  login = (email: string, password: string) =>
    this.#ask<SignedIn>('/auth/login', { body: { email, password }, open: true });
  /** What anybody may know before they sign in. */
  config = () => this.#ask<PublicConfig>('/config', { open: true });
  register = (body: { name: string; email: string; password: string }) => this.#ask<User>('/auth/register', { body, open: true });
  redeem = (body: { token: string; password: string; name?: string; email?: string }) =>
    this.#ask<Partial<SignedIn>>('/auth/redeem', { body, open: true });
  /** Ends every sign-in of before; the reply has the token to go on with. */
  changePassword = (before: string, after: string) =>
    this.#ask<PasswordChanged>('/auth/password', { body: { old: before, new: after } });
  health = () => this.#ask<Health>('/health', { open: true });

  robots = () => this.#ask<Robots>('/robots');
  schedule = (from: string, to: string) =>
    this.#ask<List<ScheduledSlot>>(`/bookings/schedule?${query({ start_date: from, end_date: to })}`);
  availableSlots = (date: string, robotType: string) =>
    this.#ask<AvailableSlots>(`/bookings/available-slots?${query({ date, robot_type: robotType })}`);

  /** Everybody's that run or are to come. */
  liveBookings = () => this.#all<Booking>('/bookings', { live: 'true' });
  myBookings = () => this.#all<Booking>('/my-bookings');
  myLiveBookings = () => this.#all<Booking>('/my-bookings', { live: 'true' });
  booking = (id: string) => this.#ask<Booking>(`/bookings/${part(id)}`);
  book = (body: NewBooking) => this.#ask<Booking>('/bookings', { body, creates: true });
  cancel = (id: string) => this.#ask<unknown>(`/bookings/${part(id)}`, { method: 'DELETE' });
  extend = (id: string, endsAt: string) =>
    this.#ask<Booking>(`/bookings/${part(id)}/extend`, { body: { ends_at: endsAt } });
  removeGuest = (id: string, account: string) =>
    this.#ask<unknown>(`/bookings/${part(id)}/guests/${part(account)}`, { method: 'DELETE' });
  invite = (id: string, email: string) => 
    this.#ask<Booking>(`/bookings/${part(id)}/guests`, { body: { email }, creates: true });
  terminate = (id: string, reason: string) =>
    this.#ask<unknown>(`/admin/bookings/${part(id)}/terminate`, { body: { reason } });
  moveEnd = (id: string, which: 'extend' | 'shorten', endsAt: string, reason: string) =>
    this.#ask<unknown>(`/admin/bookings/${part(id)}/${which}`, { body: { ends_at: endsAt, reason } });

  webrtcConfig = () => this.#ask<WebRtcConfig>('/webrtc/config');

  adminRobots = () => this.#all<Robot>('/admin/robots');
  addRobot = (body: NewRobot) => this.#ask<Robot>('/admin/robots', { body, creates: true });
  updateRobot = (robot: string, body: Omit<NewRobot, 'slug'>) =>
    this.#ask<Robot>(`/admin/robots/${part(robot)}`, { method: 'PATCH', body });
  issueCredential = (robot: string) =>
    this.#ask<IssuedCredential>(`/admin/robots/${part(robot)}/credentials`, { body: {}, creates: true });
  revokeCredential = (robot: string, credential: string) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}/credentials/${part(credential)}`, { method: 'DELETE' });
  retireRobot = (robot: string, reason: string) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}`, { method: 'DELETE', body: { reason } });
  watch = (robot: string, reason: string) =>
    this.#ask<Watch>(`/admin/robots/${part(robot)}/watch`, { body: { reason }, creates: true });
  maintain = (robot: string, body: { ends_at?: string; reason: string }) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}/maintenance`, { body });
  endMaintenance = (robot: string) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}/maintenance`, { method: 'DELETE' });
  stop = (robot: string, reason: string) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}/emergency-stop`, { body: { reason } });
  clearStop = (robot: string, reason: string) =>
    this.#ask<unknown>(`/admin/robots/${part(robot)}/clear-stop`, { body: { reason } });
  rules = () => this.#ask<LabRules>('/admin/rules');
  changeRules = (rules: LabRules, reason: string) =>
    this.#ask<LabRules>('/admin/rules', { method: 'PUT', body: reason === '' ? rules : { ...rules, reason } });
  adminUsers = () => this.#all<User>('/admin/users');
  addUser = (body: NewUser) => this.#ask<User>('/admin/users', { body, creates: true });
  updateUser = (id: string, body: { role?: Role; suspended?: boolean; reason?: string }) =>
    this.#ask<User>(`/admin/users/${part(id)}`, { method: 'PATCH', body });
  resetLink = (id: string) =>
    this.#ask<OneTimeLink>(`/admin/users/${part(id)}/reset-link`, { body: {}, creates: true });

  /** A whole list, however many pages the server has of it. */
  async #all<Item>(route: string, which: Record<string, string> = {}): Promise<Item[]> {
    const found: Item[] = [];
    let next: string | null = null;
    do {
      const page: List<Item> = await this.#ask(`${route}?${query({ ...which, limit: '1000', ...(next === null ? {} : { after: next }) })}`);
      found.push(...page.items);
      next = page.next ?? null;
    } while (next !== null);
    return found;
  }

  async #ask<Reply>(route: string, ask: Ask = {}): Promise<Reply> {
    const headers = new Headers({ accept: 'application/json' });
    const token = this.options.token();
    if (!ask.open && token !== null) headers.set('authorization', `Bearer ${token}`);
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
    if (body !== undefined) headers.set('content-type', 'application/json');
    const what = `${token} ${route} ${body}`;
    const before = this.#unanswered.get(what);
    const isAgain = before !== undefined && Date.now() - before.since < AGAIN_MS;
    const key = ask.creates === true ? (isAgain ? before.key : randomKey()) : null;
    if (key !== null) headers.set('idempotency-key', key);
    const init: RequestInit = {
      method: ask.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body === undefined ? {} : { body }),
    };
    if (key !== null) this.#unanswered.set(what, { key, since: Date.now() });
    const reply = await this.#fetch(route, init).catch(() => {
      throw unreachable();
    });
    const read = reply.ok ? await readable(reply) : await problemOf(reply);
    if (init.method !== 'GET' && !LOST.includes(reply.status)) this.#unanswered.clear();
    if (reply.status === 401 && !ask.open) this.options.onBadToken?.();
    if (read instanceof ApiError) throw read;
    return read as Reply;
  }
}

async function readable(reply: Response): Promise<unknown> {
  if (reply.status === 204) return undefined;
  return reply.json().catch(() => {
    throw new ApiError(reply.status, 'unexpected', 'The server answered with something this page cannot read.');
  });
}

/** 128 random bits; `crypto.randomUUID` is not there on pages without TLS. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function part(of: string): string {
  return encodeURIComponent(of);
}

function query(of: Record<string, string>): string {
  return new URLSearchParams(of).toString();
}
