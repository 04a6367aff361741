import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { User } from '../api/types.js';
import { api, clock } from '../context.js';
import type { ShownBooking } from '../parts/booking.js';
import { BookingsListPage } from '../parts/bookings-page.js';
import { empty } from '../parts/loading-page.js';
import { LongList } from '../parts/long-list.js';
import { field } from '../parts/page.js';
import { table, type Column } from '../parts/table.js';
import { reasonField, tag } from '../parts/tag.js';
import { zoneNote } from '../parts/zone-note.js';
import { clock as timeOfDay, duration, windowText } from '../time/format.js';

const MINUTE_MS = 60_000;
const CHANGES = [15, 30, 60];

/** Sessions that run or are to come, and ending, lengthening or shortening one with a reason. */
@customElement('curfew-admin-bookings')
export class AdminBookingsPage extends BookingsListPage {
  protected override readonly refreshMs = 5000;
  @state() private people = new Map<string, User>();
  readonly #found = new LongList(this);

  protected override render() {
    return html`
      <div class="page">
        <h1 tabindex="-1">Sessions</h1>
        ${this.outcome()} ${this.content(() => this.#list())}
      </div>
    `;
  }

  #list(): TemplateResult {
    const now = clock.now();
    const ahead = this.shown().filter((one) => one.ahead);
    if (ahead.length === 0) return empty('Nothing runs and nothing is booked.', html`<a class="button" href="#/calendar">To the calendar</a>`);
    const found = this.#found.matching(ahead, (one) => `${one.robot} ${this.#holder(one)} ${one.status}`);
    const columns: Column<ShownBooking>[] = [
      { head: 'Robot', names: true, cell: ({ robot }) => robot },
      { head: 'Holder', text: 'free', cell: (shown) => this.#holder(shown) },
      { head: 'Window', text: 'whole', cell: ({ startsAt, endsAt }) => windowText(startsAt, endsAt, now) },
      { head: 'State', cell: ({ status, tone, left }) => html`${tag(status, tone)} <span class="left muted">${left}</span>` },
      { head: 'Actions', cell: (shown) => this.#actions(shown) },
    ];
    return html`
      ${this.#found.field('Find a robot or a holder', ahead, found)}
      ${found.length === 0
        ? this.#found.nothingFound()
        : table('Sessions that run or are booked', columns, this.#found.first(found), ({ booking }) => booking.id)}
      ${this.#found.more(found)} ${zoneNote()}
    `;
  }

  #holder({ booking }: ShownBooking): string {
    return this.people.get(booking.user_id)?.name ?? 'Unknown';
  }

  #actions(shown: ShownBooking): TemplateResult {
    const which = html`<span class="unseen"> ${shown.robot} ${timeOfDay(shown.startsAt)}</span>`;
    return html`
      <button type="button" @click=${() => this.#move(shown, 'extend')}>Extend…${which}</button>
      <button type="button" @click=${() => this.#move(shown, 'shorten')}>Shorten…${which}</button>
      <button type="button" class="danger" @click=${() => this.#terminate(shown)}>Terminate…${which}</button>
    `;
  }

  #terminate({ booking, robot, running }: ShownBooking): void {
    this.ask({
      title: running ? `End the session with ${robot} now?` : `Take back the booking of ${robot}?`,
      body: html`
        <p>
          ${running ? 'Every picture of it stops at once.' : 'The time is given back for others to book.'} This cannot be
          undone, and it is written into the log under your name.
        </p>
        ${reasonField('shown to the holder')}
      `,
      act: 'End it now',
      keep: 'Keep it',
      grave: true,
      run: async (form) => {
        await api.terminate(booking.id, field(form, 'reason'));
        return 'The session is ended.';
      },
    });
  }

  #move({ booking, robot, endsAt }: ShownBooking, which: 'extend' | 'shorten'): void {
    const sign = which === 'extend' ? 1 : -1;
    const ends = CHANGES.map((minutes) => ({ minutes, at: endsAt + sign * minutes * MINUTE_MS }));
    const sensible = ends.filter(({ at }) => at > clock.now());
    const body = html`
      <p>
        It ends at ${timeOfDay(endsAt)} now.
        ${which === 'extend' ? 'Bookings in the way of a later end are displaced, and their holders told.' : nothing}
      </p>
      <label>
        ${which === 'extend' ? 'Later by' : 'Earlier by'}
        <select name="to" required>
          ${sensible.map(({ minutes, at }) => html`<option value=${at}>${duration(minutes * MINUTE_MS)}, at ${timeOfDay(at)}</option>`)}
        </select>
      </label>
      ${reasonField('shown to the holder')}
    `;
    this.ask({
      title: which === 'extend' ? `Extend the session with ${robot}` : `Shorten the session with ${robot}`,
      body: sensible.length === 0 ? html`<p>Too little is left of it to shorten: terminate it instead.</p>` : body,
      act: which === 'extend' ? 'Extend' : 'Shorten',
      keep: 'Leave it',
      run: async (form) => {
        const to = Number(field(form, 'to'));
        if (to === 0) return '';
        await api.moveEnd(booking.id, which, new Date(to).toISOString(), field(form, 'reason'));
        return `The session with ${robot} ends at ${timeOfDay(to)}.`;
      },
    });
  }

  protected override async load(): Promise<void> {
    const [people] = await Promise.all([api.adminUsers(), this.take(api.liveBookings())]);
    this.people = new Map(people.map((person) => [person.id, person]));
  }
}
