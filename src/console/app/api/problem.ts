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

/** What to do about a refusal, where its own words leave that open. */
const NEXT: Record<string, string> = {
  slot_taken: 'Choose another time or another robot.',
  account_busy: 'Choose another time, or cancel the other booking first.',
  outside_rules: 'Choose another window.',
  not_your_booking: 'Ask its holder.',
  wrong_role: 'Ask an administrator.',
  suspended: 'Ask an administrator.',
  conflict: 'Reload the page to see how things are now.',
};

/** What a person can read about whatever was thrown, and what to do next. */
export function inWords(thrown: unknown): string {
  if (thrown instanceof ApiError) {
    const wait = thrown.retryAfterSeconds;
    const next = wait === null ? NEXT[thrown.code] : `Try again in ${wait} s.`;
    return next === undefined ? thrown.message : `${thrown.message} ${next}`;
  }
  return 'Something went wrong in this page. Reload it and try again.';
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
