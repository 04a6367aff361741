import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import type { Booking, Robot } from '../api/types.js';
import { api, clock, readClock } from '../context.js';
import { field, Page } from '../parts/page.js';
import { countdown, windowText } from '../time/format.js';
import { statusInWords } from '../words.js';

const REFRESH_MS = 5000;

/** Sessions that run or are to come, and ending one with a reason. */
@customElement('curfew-admin-bookings')
export class AdminBookingsPage extends Page {
  @state() private bookings: Booking[] | null = null;
  @state() private robots = new Map<string, Robot>();
  @state() private asking: string | null = null;
  #refresh: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
    void readClock();
    this.#refresh = setInterval(() => void this.#load(), REFRESH_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#refresh);
  }

  protected override render() {
    const now = clock.now();
    const ahead = (this.bookings ?? [])
      .filter((booking) => ['requested', 'confirmed', 'active'].includes(booking.status))
      .filter((booking) => Date.parse(booking.ends_at) > now)
      .sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
    return html`
      <div class="page">
        <h1 tabindex="-1">Sessions</h1>
        ${this.outcome()}
        ${this.bookings !== null && ahead.length === 0 ? html`<p class="card muted">Nothing runs or is booked.</p>` : nothing}
        <ul class="page">${ahead.map((booking) => this.#card(booking, now))}</ul>
      </div>
    `;
  }

  #card(booking: Booking, now: number): TemplateResult {
    const [startsAt, endsAt] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
    const running = startsAt <= now;
    const robot = booking.robot_id === null ? undefined : this.robots.get(booking.robot_id);
    return html`
      <li class="card">
        <div class="row between">
          <h2>${robot?.name ?? booking.robot_type}</h2>
          <span class="tag ${running ? 'good' : ''}">${running ? 'Running now' : statusInWords(booking.status)}</span>
        </div>
        <p>
          ${windowText(startsAt, endsAt, now)}
          <span class="left muted">${running ? `· ${countdown(endsAt - now)} left` : ''}</span>
        </p>
        ${this.asking === booking.id ? this.#reason(booking) : this.#ask(booking)}
      </li>
    `;
  }

  #ask(booking: Booking): TemplateResult {
    return html`
      <div><button type="button" class="danger" @click=${() => (this.asking = booking.id)}>Terminate…</button></div>
    `;
  }

  #reason(booking: Booking): TemplateResult {
    return html`
      <form class="row" @submit=${(event: SubmitEvent) => this.#terminate(event, booking)}>
        <label>Reason, shown to the holder <input name="reason" maxlength="500" required autofocus /></label>
        <button class="danger" ?disabled=${this.pending}>End it now</button>
        <button type="button" @click=${() => (this.asking = null)}>Keep it</button>
      </form>
    `;
  }

  #terminate(event: SubmitEvent, booking: Booking): void {
    event.preventDefault();
    const reason = field(event.target as HTMLFormElement, 'reason');
    void this.attempt(async () => {
      await api.terminate(booking.id, reason);
      this.asking = null;
      this.done = 'The session is ended.';
      await this.#load();
    });
  }

  async #load(): Promise<void> {
    try {
      const [bookings, robots] = await Promise.all([api.bookings(), api.robots()]);
      this.bookings = bookings.items;
      this.robots = new Map(robots.registry.map((robot) => [robot.id, robot]));
    } catch (thrown) {
      this.problem = inWords(thrown);
    }
  }
}
