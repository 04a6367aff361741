import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { Booking, Robot } from '../api/types.js';
import { api, clock, readClock, session } from '../context.js';
import { showBooking, type ShownBooking } from '../parts/booking.js';
import { empty, LoadingPage } from '../parts/loading-page.js';
import { field } from '../parts/page.js';
import { tag } from '../parts/tag.js';
import { clock as timeOfDay, duration, windowText } from '../time/format.js';
import { becameInWords } from '../words.js';

const EXTENSIONS = [15, 30, 60];
const EARLIER = 20;
const MINUTE_MS = 60_000;

@customElement('curfew-bookings')
export class BookingsPage extends LoadingPage {
  protected override readonly refreshMs = 10_000;
  @state() private bookings: Booking[] = [];
  @state() private robots = new Map<string, Robot>();
  #tick: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void readClock();
    this.#tick = setInterval(() => this.requestUpdate(), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#tick);
  }

  protected override render() {
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">My bookings</h1>
          <a class="button" href="#/calendar">Book a robot</a>
        </div>
        ${this.outcome()} ${this.content(() => this.#lists())}
      </div>
    `;
  }

  #lists(): TemplateResult {
    const now = clock.now();
    const all = this.bookings.map((booking) => showBooking(booking, this.robots, now)).sort((a, b) => a.startsAt - b.startsAt);
    const ahead = all.filter((shown) => shown.ahead);
    const past = all.filter((shown) => !shown.ahead).reverse();
    return html`
      ${ahead.length === 0
        ? empty('You have nothing booked.', html`<a class="button primary" href="#/calendar">Choose a free time</a>`)
        : html`<ul class="page">${repeat(ahead, ({ booking }) => booking.id, (shown) => this.#card(shown, now))}</ul>`}
      ${past.length === 0 ? nothing : this.#earlier(past.slice(0, EARLIER), now)}
    `;
  }

  #card(shown: ShownBooking, now: number): TemplateResult {
    const { booking, robot, startsAt, endsAt, running } = shown;
    const guests = booking.guests?.length ?? 0;
    const own = booking.user_id === session.current?.user.id;
    return html`
      <li class="card booked ${running ? 'running' : ''}">
        <div class="booked-what">
          <div class="row"><h2>${robot}</h2> ${tag(shown.status, shown.tone)} ${own ? nothing : tag('You are a guest')}</div>
          <p>${windowText(startsAt, endsAt, now)} <span class="muted">(${duration(endsAt - startsAt)})</span></p>
          ${guests > 0 && own ? html`<p class="muted small">${guests === 1 ? '1 guest' : `${guests} guests`} invited</p>` : nothing}
        </div>
        <p class="left ${running && endsAt - now <= 5 * MINUTE_MS ? 'urgent' : ''}">${shown.left}</p>
        <div class="row">
          <a class="button ${running ? 'primary' : ''}" href="#/watch/${booking.id}">${running ? 'Watch' : 'Open'}<span class="unseen"> ${robot}</span></a>
          ${own ? this.#changes(shown) : nothing}
        </div>
      </li>
    `;
  }

  #changes(shown: ShownBooking): TemplateResult {
    const { robot } = shown;
    return html`
      <button type="button" @click=${() => this.#extend(shown)}>Extend<span class="unseen"> ${robot}</span></button>
      <button type="button" @click=${() => this.#invite(shown)}>Invite<span class="unseen"> to ${robot}</span></button>
      <button type="button" class="danger" @click=${() => this.#cancel(shown)}>Cancel<span class="unseen"> ${robot}</span></button>
    `;
  }

  #earlier(past: ShownBooking[], now: number): TemplateResult {
    return html`
      <h2>Earlier</h2>
      <ul class="card earlier">
        ${past.map(
          ({ booking, robot, startsAt, endsAt, status, tone }) => html`
            <li>
              <strong>${robot}</strong>
              <span>${windowText(startsAt, endsAt, now)}</span>
              ${tag(status, tone)}
              <span class="muted small">${becameInWords(booking)}</span>
            </li>
          `,
        )}
      </ul>
    `;
  }

  #extend({ booking, robot, endsAt }: ShownBooking): void {
    const body = html`
      <p>${robot} is yours until ${timeOfDay(endsAt)}. It can be extended where the time after it is free.</p>
      <label>
        Extend by
        <select name="minutes">
          ${EXTENSIONS.map((minutes) => html`<option value=${minutes}>${duration(minutes * MINUTE_MS)}, until ${timeOfDay(endsAt + minutes * MINUTE_MS)}</option>`)}
        </select>
      </label>
    `;
    this.ask({
      title: 'Extend the booking',
      body,
      act: 'Extend',
      keep: 'Leave it',
      run: async (form) => {
        const until = new Date(endsAt + Number(field(form, 'minutes')) * MINUTE_MS);
        const extended = await api.extend(booking.id, until.toISOString());
        return `Extended: ${robot} is yours until ${timeOfDay(Date.parse(extended.ends_at))}.`;
      },
    });
  }

  #invite({ booking, robot }: ShownBooking): void {
    const body = html`
      <p>A guest watches ${robot} with you for as long as your booking lasts, and needs an account here.</p>
      <label>E-mail of the guest <input name="email" type="email" autocomplete="off" required /></label>
    `;
    this.ask({
      title: 'Invite a guest',
      body,
      act: 'Invite',
      keep: 'Leave it',
      run: async (form) => {
        const email = field(form, 'email');
        await api.invite(booking.id, email);
        return `${email} is invited. Send them the way in: ${location.origin}/#/watch/${booking.id}`;
      },
    });
  }

  #cancel({ booking, robot, running, startsAt, endsAt }: ShownBooking): void {
    this.ask({
      title: running ? 'End this session now?' : 'Cancel this booking?',
      body: running
        ? `The picture of ${robot} stops at once, also for your guests, and the rest of the time is given back.`
        : `${robot}, ${windowText(startsAt, endsAt, clock.now())}, is given back for others to book.`,
      act: running ? 'End it' : 'Cancel it',
      keep: 'Keep it',
      grave: true,
      run: async () => {
        await api.cancel(booking.id);
        return running ? 'The session is ended.' : 'The booking is cancelled.';
      },
    });
  }

  protected override async load(): Promise<void> {
    const [bookings, robots] = await Promise.all([api.myBookings(), api.robots()]);
    this.bookings = bookings.items;
    this.robots = new Map(robots.registry.map((robot) => [robot.id, robot]));
  }
}
