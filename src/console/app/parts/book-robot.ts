import { html, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import type { AvailableSlot, Booking, NewBooking, Robot } from '../api/types.js';
import { api, clock } from '../context.js';
import { isoDate, windowText } from '../time/format.js';
import { field, Page } from './page.js';

const MINUTE_MS = 60_000;

/** Books one robot: from now for some minutes, or a free slot of a day. Fires `booked`. */
@customElement('curfew-book-robot')
export class BookRobot extends Page {
  @property({ attribute: false }) robot!: Robot;
  @state() private date = isoDate(clock.now());
  @state() private slots: AvailableSlot[] | null = null;
  @state() private zone: string | null = null;
  @state() private slotsProblem: string | null = null;
  @state() private booked: Booking | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.updateComplete.then(() => this.#loadSlots());
  }

  protected override render() {
    return html`
      <div class="form">
        <form class="row" @submit=${this.#fromNow}>
          <label>
            From now, for minutes
            <input name="minutes" type="number" inputmode="numeric" min="1" max="720" step="1" value="30" required />
          </label>
          <button class="primary" ?disabled=${this.pending}>Book from now</button>
        </form>
        <div class="form">
          <label>
            Or a free slot on
            <input type="date" .value=${this.date} min=${isoDate(clock.now())} @change=${this.#onDate} />
          </label>
          ${this.#slotList()}
        </div>
        ${this.outcome()}
        ${this.booked === null ? nothing : html`<a class="button primary" href="#/watch/${this.booked.id}">Watch</a>`}
      </div>
    `;
  }

  #slotList(): TemplateResult {
    if (this.slotsProblem !== null) return html`<p class="notice error" role="alert">${this.slotsProblem}</p>`;
    if (this.slots === null) return html`<p class="muted small" role="status">Looking for free slots…</p>`;
    if (this.slots.length === 0) return html`<p class="muted small" role="status">No free slot on this day.</p>`;
    return html`
      <div class="slots" role="group" aria-label="Free slots, in the lab's time">
        ${this.slots.map(
          (slot) => html`
            <button type="button" ?disabled=${this.pending} @click=${() => this.#book(fromSlot(slot))}>
              ${slot.start_time} – ${slot.end_time}
            </button>
          `,
        )}
      </div>
      <p class="muted small">
        Times are the lab's${this.zone === null ? '' : ` (${this.zone})`}. A slot is booked on any free robot of type
        ${this.robot.type}.
      </p>
    `;
  }

  #fromNow = (event: SubmitEvent) => {
    event.preventDefault();
    const minutes = Number(field(event.target as HTMLFormElement, 'minutes'));
    const startsAt = Math.floor(clock.now());
    this.#book({
      robot_id: this.robot.id,
      starts_at: new Date(startsAt).toISOString(),
      ends_at: new Date(startsAt + minutes * MINUTE_MS).toISOString(),
    });
  };

  #onDate = (event: Event) => {
    const { value } = event.target as HTMLInputElement;
    if (value === '') return;
    this.date = value;
    void this.#loadSlots();
  };

  #book(body: NewBooking): void {
    this.booked = null;
    void this.attempt(async () => {
      const booking = await api.book(body);
      if (booking.status === 'requested') {
        this.done = 'The request is in. Its outcome shows under My bookings.';
      } else {
        const [startsAt, endsAt] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
        this.done = `Booked: ${windowText(startsAt, endsAt, clock.now())}.`;
        this.booked = booking;
      }
      this.dispatchEvent(new Event('booked'));
      void this.#loadSlots();
    });
  }

  async #loadSlots(): Promise<void> {
    const asked = this.date;
    try {
      const reply = await api.availableSlots(asked, this.robot.type);
      if (asked !== this.date) return;
      this.slots = reply.available_slots;
      this.zone = reply.zone ?? null;
      this.slotsProblem = null;
    } catch (thrown) {
      this.slotsProblem = inWords(thrown);
    }
  }
}

function fromSlot({ robot_type, date, start_time, end_time }: AvailableSlot): NewBooking {
  return { robot_type, date, start_time, end_time };
}
