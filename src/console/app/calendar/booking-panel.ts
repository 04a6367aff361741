import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { field } from '../parts/page.js';
import { clock, duration, longDay, windowText } from '../time/format.js';
import { agree, browserZone, instants, localTime } from '../time/zone.js';
import { draftOf, fieldsOf, type Draft } from './draft.js';
import type { LabTimes, Target } from './model.js';

/** What can be had from now, and for how many minutes. */
export interface FromNow {
  target: Target;
  lengths: readonly number[];
}

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
  @property({ attribute: false }) nowFor: FromNow | null = null;
  /** On a narrow screen the fields fold away, so that the calendar stays in sight. */
  readonly #roomy = matchMedia('(min-width: 60rem)').matches;

  protected override createRenderRoot(): this {
    return this;
  }

  /** Only when the choice changed: what somebody is typing is not taken from under their hands. */
  protected override updated(changed: PropertyValues<this>): void {
    const form = this.querySelector('form');
    if (!changed.has('draft') || this.draft === null || form === null) return;
    for (const [name, value] of Object.entries(fieldsOf(this.draft, this.times.zone))) {
      (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement).value = value;
    }
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

  #fromNow({ target, lengths }: FromNow): TemplateResult {
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
    return html`
      <form class="card booking form" aria-labelledby="booking-title" @submit=${this.#submit} @change=${this.#onChange}>
        <div class="row between">
          <h2 id="booking-title">Book ${duration(draft.endsAt - draft.startsAt)}</h2>
          <button type="button" class="quiet" @click=${() => this.#tell('draft', null)}>Clear</button>
        </div>
        <p class="booking-when"><strong>${longDay(draft.startsAt, this.now, zone)}</strong><br />
          ${clock(draft.startsAt, zone)} – ${clock(draft.endsAt, zone)}${this.#which(draft)}
        </p>
        ${this.#elsewhere(draft)} ${this.#begun(draft)}
        <details class="booking-change" ?open=${this.#roomy}>
          <summary>Change robot, day or times</summary>
          <div class="booking-fields">
            <label class="wide">
              Robot
              <select name="column">
                ${this.targets.map(({ key, name }) => html`<option value=${key}>${name}</option>`)}
              </select>
            </label>
            <label class="wide">Day <input name="date" type="date" required /></label>
            <label>From <input name="from" type="time" required /></label>
            <label>Until <input name="until" type="time" required /></label>
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
  #which(draft: Draft) {
    const start = localTime(this.times.zone, draft.startsAt);
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

  /** A window may be booked until its end: what has begun is shorter than it looks. */
  #begun({ startsAt, endsAt }: Draft) {
    if (startsAt >= this.now || endsAt <= this.now) return nothing;
    return html`<p class="muted small">It has begun: ${duration(endsAt - this.now)} of it are left.</p>`;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    this.#tell('book', null);
  };

  #onChange = (event: Event) => {
    const form = event.currentTarget as HTMLFormElement;
    const fields = { column: field(form, 'column'), date: field(form, 'date'), from: field(form, 'from'), until: field(form, 'until') };
    if (this.draft === null || Object.values(fields).includes('')) return;
    this.#tell('draft', draftOf(fields, this.draft, this.times.zone));
  };

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
