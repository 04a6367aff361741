import { state } from 'lit/decorators.js';
import type { Booking, Robot } from '../api/types.js';
import { api, clock } from '../context.js';
import { showBooking, type ShownBooking } from './booking.js';
import { LoadingPage } from './loading-page.js';

const TICK_MS = 1000;

/** A page of bookings whose countdowns go on by the second. */
export abstract class BookingsListPage extends LoadingPage {
  @state() protected bookings: readonly Booking[] = [];
  @state() private robots = new Map<string, Robot>();
  #tick: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#tick = setInterval(() => this.requestUpdate(), TICK_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#tick);
  }

  /** As they are shown now, by start. */
  protected shown(): ShownBooking[] {
    const now = clock.now();
    return this.bookings.map((booking) => showBooking(booking, this.robots, now)).sort((a, b) => a.startsAt - b.startsAt);
  }

  /** Takes the bookings over, with the names of their robots. */
  protected async take(bookings: Promise<readonly Booking[]>): Promise<void> {
    const [taken, { registry }] = await Promise.all([bookings, api.robots()]);
    this.bookings = taken;
    this.robots = new Map(registry.map((robot) => [robot.id, robot]));
  }
}
