import { html, nothing, type TemplateResult } from 'lit';
import { customElement } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { Booking } from '../api/types.js';
import { api, clock, mayBook, session } from '../context.js';
import type { ShownBooking } from '../parts/booking.js';
import { BookingsListPage } from '../parts/bookings-page.js';
import type { Question } from '../parts/dialog.js';
import { guestsOf, leaving, nameOf } from '../parts/guests.js';
import { empty } from '../parts/loading-page.js';
import { LongList } from '../parts/long-list.js';
import { field } from '../parts/page.js';
import { tag } from '../parts/tag.js';
import { zoneNote } from '../parts/zone-note.js';
import { clock as timeOfDay, duration, windowText } from '../time/format.js';
import { becameInWords } from '../words.js';

const EXTENSIONS = [15, 30, 60];
/** How many of those that are over are shown at first. */
const EARLIER = 20;
const MINUTE_MS = 60_000;

@customElement('curfew-bookings')
export class BookingsPage extends BookingsListPage {
  protected override readonly refreshMs = 10_000;
  readonly #ahead = new LongList(this);
  readonly #past = new LongList(this, EARLIER);

  protected override render() {
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">My bookings</h1>
          ${mayBook() ? html`<a class="button" href="#/calendar">Book a robot</a>` : nothing}
        </div>
        ${this.outcome()} ${this.content(() => this.#lists())}
      </div>
    `;
  }

  #lists(): TemplateResult {
    const now = clock.now();
    const all = this.shown();
    const ahead = all.filter((one) => one.ahead);
    const past = all.filter((one) => !one.ahead).reverse();
    return html`
      ${ahead.length === 0 ? this.#none() : this.#upcoming(ahead, now)} ${past.length === 0 ? nothing : this.#earlier(past, now)}
      ${zoneNote()}
    `;
  }

  #none(): TemplateResult {
    return mayBook()
      ? empty('You have nothing booked.', html`<a class="button primary" href="#/calendar">Choose a free time</a>`)
      : empty('Auditors read the log and book nothing.', html`<p>To watch a robot yourself, ask an administrator for a viewer's account.</p>`);
  }

  #upcoming(ahead: ShownBooking[], now: number): TemplateResult {
    return html`
      <ul class="page">${repeat(this.#ahead.first(ahead), ({ booking }) => booking.id, (shown) => this.#card(shown, now))}</ul>
      ${this.#ahead.more(ahead)}
    `;
  }

  #card(shown: ShownBooking, now: number): TemplateResult {
    const { booking, robot, startsAt, endsAt, running } = shown;
    const own = booking.user_id === session.current?.user.id;
    return html`
      <li class="card booked ${running ? 'running' : ''}">
        <div class="booked-what">
          <div class="row tight"><h2>${robot}</h2> ${tag(shown.status, shown.tone)} ${own ? nothing : tag('You are a guest')}</div>
          <p>${windowText(startsAt, endsAt, now)} <span class="muted">(${duration(endsAt - startsAt)})</span></p>
          ${this.#company(booking, own)}
        </div>
        <p class="left ${running && endsAt - now <= 5 * MINUTE_MS ? 'urgent' : ''}">${shown.left}</p>
        <div class="row">
          <a class="button ${running ? 'primary' : ''}" href="#/watch/${booking.id}">${running ? 'Watch' : 'Open'}<span class="unseen"> ${robot}</span></a>
          ${own ? this.#changes(shown) : this.#leaving(shown)}
        </div>
      </li>
    `;
  }

  #company({ guests = [], invited_by }: Booking, own: boolean) {
    if (!own) return html`<p class="muted small">Invited by ${nameOf(invited_by)}</p>`;
    return guests.length === 0 ? nothing : html`<p class="muted small">With ${guests.map(nameOf).join(', ')}</p>`;
  }

  #changes(shown: ShownBooking): TemplateResult {
    const { booking, robot } = shown;
    const guests = booking.guests?.length ?? 0;
    const ask = (question: Question) => this.ask(question);
    return html`
      <button type="button" @click=${() => this.#extend(shown)}>Extend<span class="unseen"> ${robot}</span></button>
      <button type="button" @click=${() => ask(guestsOf(shown, ask))}>
        ${guests === 0 ? 'Invite' : 'Guests'}<span class="unseen"> ${guests === 0 ? 'to' : 'of'} ${robot}</span>
      </button>
      <button type="button" class="danger" @click=${() => this.#cancel(shown)}>Cancel<span class="unseen"> ${robot}</span></button>
    `;
  }

  #leaving(shown: ShownBooking): TemplateResult {
    const account = session.current?.user.id ?? '';
    return html`
      <button type="button" class="danger" @click=${() => this.ask(leaving(shown, account))}>Leave<span class="unseen"> ${shown.robot}</span></button>
    `;
  }

  #earlier(past: ShownBooking[], now: number): TemplateResult {
    return html`
      <h2>Past and cancelled</h2>
      <ul class="card earlier">
        ${this.#past.first(past).map(
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
      ${this.#past.more(past)}
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
        const isDecided = Date.parse(extended.ends_at) >= until.getTime();
        return isDecided ? `Extended: ${robot} is yours until ${timeOfDay(until.getTime())}.` : 'The request is in. The new end shows here once it is decided.';
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

  protected override load(): Promise<void> {
    return this.take(api.myBookings());
  }
}
