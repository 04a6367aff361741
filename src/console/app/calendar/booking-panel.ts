import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { field } from '../parts/page.js';
import { clock, duration, longDay, windowText } from '../time/format.js';
import { addDays, agree, browserZone, instantOf, instants, localTime } from '../time/zone.js';
import type { Draft } from './draft.js';
import type { LabTimes, Target } from './model.js';

/** Lengths that are offered for a start right now, in minutes. */
const FROM_NOW = [15, 30, 60];

/**
 * The chosen window as fields, and the button that books it. Fires `draft` when a field changes it, `book`, and `from-now`
 * with a length in minutes.
 */
@customElement('curfew-booking-panel')
export class BookingPanel extends LitElement {
  @property({ attribute: false }) draft: Draft | null = null;
  @property({ attribute: false }) targets: readonly Target[] = [];
  @property({ attribute: false }) times!: LabTimes;
  @property({ attribute: false }) now = 0;
  @property({ attribute: false }) objection: string | null = null;
  @property({ attribute: false }) pending = false;
  /** What of the calendar can be had from now. */
  @property({ attribute: false }) nowFor: Target | null = null;
  /** On a narrow screen the fields fold away, so that the calendar stays in sight. */
  readonly #roomy = matchMedia('(min-width: 60rem)').matches;

  protected override createRenderRoot(): this {
    return this;
  }

  protected override render() {
    return this.draft === null ? this.#invitation() : this.#form(this.draft);
  }

  #invitation(): TemplateResult {
    return html`
      <section class="card booking" aria-labelledby="booking-title">
        <h2 id="booking-title">Book a window</h2>
        <p class="muted">Press a free slot, or drag over the hours that you want.</p>
        ${this.nowFor === null ? nothing : this.#fromNow(this.nowFor)}
      </section>
    `;
  }

  #fromNow(target: Target): TemplateResult {
    const lengths = FROM_NOW.filter((minutes) => minutes <= this.times.longestMinutes);
    return html`
      <div class="form tight" role="group" aria-labelledby="from-now">
        <p id="from-now"><strong>${target.name}</strong> is free now. Book it from now for</p>
        <div class="from-now">
          ${lengths.map(
            (minutes) => html`
              <button type="button" ?disabled=${this.pending} @click=${() => this.#tell('from-now', minutes)}>
                ${duration(minutes * 60_000)}
              </button>
            `,
          )}
        </div>
      </div>
    `;
  }

  #form(draft: Draft): TemplateResult {
    const { zone } = this.times;
    const [start, end] = [localTime(zone, draft.startsAt), localTime(zone, draft.endsAt)];
    return html`
      <form class="card booking form" aria-labelledby="booking-title" @submit=${this.#submit} @change=${this.#onChange}>
        <div class="row between">
          <h2 id="booking-title">Book ${duration(draft.endsAt - draft.startsAt)}</h2>
          <button type="button" class="quiet" @click=${() => this.#tell('draft', null)}>Clear</button>
        </div>
        <p class="booking-when"><strong>${longDay(draft.startsAt, zone)}</strong><br />
          ${clock(draft.startsAt, zone)} – ${clock(draft.endsAt, zone)}${this.#which(draft, start)}
        </p>
        ${this.#elsewhere(draft)}
        <details class="booking-change" ?open=${this.#roomy}>
          <summary>Change robot, day or times</summary>
          <div class="booking-fields">
            <label class="wide">
              Robot
              <select name="column">
                ${this.targets.map(
                  ({ key, name }) => html`<option value=${key} ?selected=${key === draft.column}>${name}</option>`,
                )}
              </select>
            </label>
            <label class="wide">Day <input name="date" type="date" .value=${start.date} required /></label>
            <label>From <input name="from" type="time" .value=${clock(draft.startsAt, zone)} required /></label>
            <label>Until <input name="until" type="time" .value=${ofDay(end.minute)} required /></label>
          </div>
        </details>
        <div role="alert">${this.objection === null ? nothing : html`<p class="notice warn">${this.objection}</p>`}</div>
        <button class="primary" ?disabled=${this.pending || this.objection !== null}>
          ${this.pending ? 'Booking…' : `Book ${this.targets.find(({ key }) => key === draft.column)?.name ?? ''}`}
        </button>
      </form>
    `;
  }

  /** Which of two hours of the same name is meant, on the day that the clocks are set back. */
  #which(draft: Draft, start: { date: string; minute: number }) {
    const both = instants(this.times.zone, start.date, start.minute);
    if (both.length < 2) return nothing;
    return both[0] === draft.startsAt ? ' (before the clocks are set back)' : ' (after the clocks are set back)';
  }

  #elsewhere(draft: Draft) {
    const here = browserZone();
    if (agree(here, this.times.zone, draft.startsAt)) return nothing;
    return html`
      <p class="muted small">Where you are (${here}): ${windowText(draft.startsAt, draft.endsAt, this.now)}</p>
    `;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    this.#tell('book', null);
  };

  #onChange = (event: Event) => {
    const form = event.currentTarget as HTMLFormElement;
    const [date, from, until] = [field(form, 'date'), field(form, 'from'), field(form, 'until')];
    if (date === '' || from === '' || until === '') return;
    const { zone } = this.times;
    const startsAt = instantOf(zone, date, minuteOf(from));
    let endsAt = instantOf(zone, date, minuteOf(until));
    // Until a time that is earlier means on the next day.
    if (endsAt <= startsAt) endsAt = instantOf(zone, addDays(date, 1), minuteOf(until));
    this.#tell('draft', { column: field(form, 'column'), startsAt, endsAt } satisfies Draft);
  };

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
}

function ofDay(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}
