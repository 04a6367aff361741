/**
 * The server's wall clock, seen from here. Each reading of it is known to have been taken between the request and the
 * reply, so its error is at most half of what lay between; the narrowest reading of late is the one believed.
 *
 * Runs on the page's monotonic clock, so that a step of this machine's wall clock changes no countdown.
 */
export class ServerClock {
  #offset: number | null = null;
  #uncertainty = Number.POSITIVE_INFINITY;
  #readAt = 0;

  /** @param monotonic milliseconds that never step, such as `performance.now` */
  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  /** True once the server's time was read. Before that, `now` is this machine's own wall clock. */
  get isSet(): boolean {
    return this.#offset !== null;
  }

  /** How far off `now` may be, in milliseconds. */
  get uncertaintyMs(): number {
    return this.#uncertainty;
  }

  /** Unix milliseconds by the server's clock. */
  now(): number {
    return this.at(this.monotonic());
  }

  /** The server's Unix milliseconds at a reading of the monotonic clock. */
  at(monotonicMs: number): number {
    return this.#offset === null ? Date.now() + monotonicMs - this.monotonic() : monotonicMs + this.#offset;
  }

  /** The monotonic reading that starts a measurement. */
  mark(): number {
    return this.monotonic();
  }

  /**
   * Takes a reading in: `serverTime` (RFC 3339) was written after `sentAt` and before now. A reading that is much older
   * than this one gives way even if it was narrower, since clocks drift and step.
   */
  read(serverTime: string, sentAt: number): void {
    const server = Date.parse(serverTime);
    if (Number.isNaN(server)) return;
    const received = this.monotonic();
    const uncertainty = Math.max(0, received - sentAt) / 2;
    const stale = received - this.#readAt > FRESH_MS;
    if (this.#offset !== null && !stale && uncertainty > this.#uncertainty) return;
    this.#offset = server - (sentAt + received) / 2;
    this.#uncertainty = uncertainty;
    this.#readAt = received;
  }
}

const FRESH_MS = 45_000;
