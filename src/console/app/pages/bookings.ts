import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { Booking, Robot } from '../api/types.js';
import { api, clock, readClock } from '../context.js';
import { Page } from '../parts/page.js';
import { inWords } from '../api/problem.js';
import { countdown, duration, windowText } from '../time/format.js';
import { causeInWords, statusInWords } from '../words.js';

const REFRESH_MS = 10_000;

@customElement('curfew-bookings')
export class BookingsPage extends Page {
  @state() private bookings: Booking[] | null = null;
  @state() private robots = new Map<string, Robot>();
  @state() private asking: string | null = null;
  #tick: ReturnType<typeof setInterval> | undefined;
  #refresh: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
    void readClock();
    this.#tick = setInterval(() => this.requestUpdate(), 1000);
    this.#refresh = setInterval(() => void this.#load(), REFRESH_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#tick);
    clearInterval(this.#refresh);
  }

  protected override render() {
    const now = clock.now();
    const all = [...(this.bookings ?? [])].sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
    const coming = all.filter((booking) => isAhead(booking, now));
    const past = all.filter((booking) => !isAhead(booking, now)).reverse();
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">My bookings</h1>
          <a class="button" href="#/robots">Book a robot</a>
        </div>
        ${this.outcome()}
        ${this.bookings === null && this.problem === null ? html`<p class="muted" role="status">Loading…</p>` : nothing}
        ${this.bookings !== null && coming.length === 0
          ? html`<p class="card muted">Nothing is booked. Choose a robot to begin.</p>`
          : nothing}
        <ul class="page">${coming.map((booking) => this.#card(booking, now))}</ul>
        ${past.length > 0
          ? html`<h2>Earlier</h2><ul class="page">${past.slice(0, 20).map((booking) => this.#card(booking, now))}</ul>`
          : nothing}
      </div>
    `;
  }

  #card(booking: Booking, now: number): TemplateResult {
    const [startsAt, endsAt] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
    const ahead = isAhead(booking, now);
    const running = ahead && startsAt <= now;
    const left = running ? `${countdown(endsAt - now)} left` : ahead ? `starts in ${duration(startsAt - now)}` : '';
    const robot = booking.robot_id === null ? undefined : this.robots.get(booking.robot_id);
    return html`
      <li class="card">
        <div class="row between">
          <h2>${robot?.name ?? booking.robot_type}</h2>
          <span class="tag ${tone(booking, running)}">${running ? 'Running now' : statusInWords(booking.status)}</span>
        </div>
        <p>${windowText(startsAt, endsAt, now)} <span class="left muted">${left === '' ? '' : `· ${left}`}</span></p>
        ${booking.cause ? html`<p class="muted small">${causeInWords(booking.cause)}</p>` : nothing}
        ${ahead ? this.#actions(booking, running) : nothing}
      </li>
    `;
  }

  #actions(booking: Booking, running: boolean): TemplateResult {
    if (this.asking === booking.id) {
      return html`
        <div class="row" role="group" aria-label="Confirm">
          <p>${running ? 'End this session now?' : 'Cancel this booking?'}</p>
          <button type="button" class="danger" ?disabled=${this.pending} @click=${() => this.#cancel(booking)}>
            ${running ? 'End it' : 'Cancel it'}
          </button>
          <button type="button" @click=${() => (this.asking = null)}>Keep it</button>
        </div>
      `;
    }
    return html`
      <div class="row">
        <a class="button ${running ? 'primary' : ''}" href="#/watch/${booking.id}">Watch</a>
        <button type="button" class="danger" @click=${() => (this.asking = booking.id)}>Cancel</button>
      </div>
    `;
  }

  #cancel(booking: Booking): void {
    void this.attempt(async () => {
      await api.cancel(booking.id);
      this.asking = null;
      this.done = 'The booking is cancelled.';
      await this.#load();
    });
  }

  async #load(): Promise<void> {
    try {
      const [bookings, robots] = await Promise.all([api.myBookings(), api.robots()]);
      this.bookings = bookings.items;
      this.robots = new Map(robots.registry.map((robot) => [robot.id, robot]));
    } catch (thrown) {
      this.problem = inWords(thrown);
    }
  }
}

function isAhead(booking: Booking, now: number): boolean {
  const open = ['requested', 'confirmed', 'active'].includes(booking.status);
  return open && Date.parse(booking.ends_at) > now;
}

function tone(booking: Booking, running: boolean): string {
  if (running) return 'good';
  if (booking.status === 'rejected') return 'bad';
  return booking.status === 'requested' ? 'warn' : '';
}
