import { duration } from '../time/format.js';

/** A refusal or failure in words: RFC 9457 problem details, or what stands in for them when there are none. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /**
   * @param status HTTP status; 0 when the server could not be reached
   * @param code stable snake_case code, such as `slot_taken`; `unreachable` and `unexpected` are this console's own
   * @param message one sentence for a person
   * @param retryAfterSeconds how long to wait before asking again, if the server said so
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message);
  }
}

export function unreachable(): ApiError {
  return new ApiError(0, 'unreachable', 'The server cannot be reached. Check the connection and try again.');
}

/** Reads the refusal out of a reply that was not a success. */
export async function problemOf(reply: Response): Promise<ApiError> {
  const body: unknown = await reply.json().catch(() => null);
  const problem = isRecord(body) ? body : {};
  const detail = text(problem['detail']) ?? text(problem['title']) ?? fallback(reply.status);
  return new ApiError(reply.status, text(problem['code']) ?? 'unexpected', detail, retryAfter(reply));
}

/** What to do about a refusal, by its code. */
export const NEXT: Readonly<Record<string, string>> = {
  bad_token: 'Sign in again.',
  no_active_booking: 'Book the robot first, or ask its holder to invite you.',
  not_your_booking: 'Ask its holder.',
  window_not_open: 'Wait until it begins.',
  window_closed: 'Book again to go on.',
  suspended: 'Ask an administrator to reinstate the account.',
  wrong_role: 'Ask an administrator.',
  origin_refused: "Open this console at the server's own address, or ask an administrator to allow this one.",
  not_found: 'It may be gone: reload the page to see how things are now.',
  method_not_allowed: 'Reload the page: the server may be newer than it.',
  slot_taken: 'Choose another time or another robot.',
  account_busy: 'Choose another time, or cancel the other booking first.',
  outside_rules: 'Choose another window.',
  room_full: 'Wait until somebody leaves, then try again.',
  conflict: 'Reload the page to see how things are now.',
  too_large: 'Make it shorter and try again.',
  unsupported_media_type: 'Reload the page: the server may be newer than it.',
  invalid: 'Correct it and try again.',
  reason_required: 'Write a reason and try again.',
  not_available: 'Ask an administrator.',
  rate_limited: 'Wait a moment and try again.',
  unavailable: 'Try again in a moment.',
  not_in_control: 'Ask whoever holds the booking.',
  robot_offline: 'Wait until the robot is back, or choose another.',
};

/** Words with which a refusal tells by itself what to do. */
const SAYS_WHAT_TO_DO = /\b(please|try again|ask|choose|wait|write|give the time|sign in)\b/i;

/**
 * What a person can read about whatever was thrown, and what to do next, unless the refusal's own words say it already.
 *
 * @param next what to do about some codes, where the page knows better than this
 */
export function inWords(thrown: unknown, next: Readonly<Record<string, string>> = {}): string {
  if (!(thrown instanceof ApiError)) return 'Something went wrong in this page. Reload it and try again.';
  const said = readable(thrown.message);
  const wait = thrown.retryAfterSeconds;
  if (wait !== null) return `${said} Try again in ${duration(wait * 1000)}.`;
  const own = next[thrown.code];
  if (own === undefined && SAYS_WHAT_TO_DO.test(said)) return said;
  return `${said} ${own ?? NEXT[thrown.code] ?? 'Reload the page and try again.'}`;
}

/** Refusals name fields as programs know them: `ends_at` is read as “ends at”. */
function readable(message: string): string {
  return message.replace(/`([^`]+)`/g, (_, name: string) => `“${name.replaceAll('_', ' ')}”`);
}

function fallback(status: number): string {
  return status >= 500
    ? `The server could not do that (status ${status}). Try again in a moment.`
    : `The server refused that (status ${status}).`;
}

function retryAfter(reply: Response): number | null {
  const seconds = Number(reply.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null;
}
