import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import type { Booking, Robot, ScheduledSlot } from '../api/types.js';
import { api, clock, readClock, session } from '../context.js';
import '../parts/book-robot.js';
import { Page } from '../parts/page.js';
import { availability, slotsOf, type Slot } from '../schedule.js';
import { clock as timeOfDay, day, isoDate } from '../time/format.js';

const REFRESH_MS = 15_000;
const DAY_MS = 86_400_000;

/** What there is, what is free, and booking it. */
@customElement('curfew-robots')
export class RobotsPage extends Page {
  @state() private robots: Robot[] | null = null;
  @state() private schedule: ScheduledSlot[] = [];
  @state() private mine: Booking[] = [];
  @state() private chosen: string | null = null;
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
    return html`
      <div class="page">
        <h1 tabindex="-1">Robots</h1>
        ${this.outcome()}
        ${this.robots === null && this.problem === null ? html`<p class="muted" role="status">Loading…</p>` : nothing}
        ${this.robots?.length === 0 ? html`<p class="card muted">There are no robots yet.</p>` : nothing}
        <ul class="grid">${this.robots?.map((robot) => this.#card(robot))}</ul>
      </div>
    `;
  }

  #card(robot: Robot): TemplateResult {
    const now = clock.now();
    const slots = slotsOf(robot.id, this.schedule, now);
    const open = this.chosen === robot.id;
    return html`
      <li class="card ${open ? 'open' : ''}">
        <div class="row between">
          <h2>${robot.name}</h2>
          <span class="tag ${robot.online ? 'good' : ''}">${robot.online ? 'Online' : 'Offline'}</span>
        </div>
        <p class="muted small">${describe(robot)}</p>
        <p>${this.#free(slots, now)}</p>
        ${slots.length > 0 ? this.#busy(slots.slice(0, 4), now) : nothing}
        ${session.current?.user.role === 'auditor' ? nothing : this.#actions(robot, now)}
      </li>
    `;
  }

  #actions(robot: Robot, now: number): TemplateResult {
    const open = this.chosen === robot.id;
    const running = this.mine.find((booking) => booking.robot_id === robot.id && isRunning(booking, now));
    return html`
      <div class="row">
        ${running === undefined
          ? nothing
          : html`<a class="button primary" href="#/watch/${running.id}">Watch<span class="unseen"> ${robot.name}</span></a>`}
        <button
          type="button"
          aria-expanded=${open ? 'true' : 'false'}
          class=${open || running !== undefined ? '' : 'primary'}
          @click=${() => (this.chosen = open ? null : robot.id)}
        >
          ${open ? 'Close' : 'Book'}<span class="unseen"> ${robot.name}</span>
        </button>
      </div>
      ${open ? html`<curfew-book-robot .robot=${robot} @booked=${() => void this.#load()}></curfew-book-robot>` : nothing}
    `;
  }

  #free(slots: Slot[], now: number): TemplateResult {
    const { free, until, mine } = availability(slots, now);
    const when = until === null ? '' : `${day(until, now) === 'today' ? '' : `${day(until, now)} `}${timeOfDay(until)}`;
    if (!free) {
      return html`<span class="tag warn">${mine ? 'Yours now' : 'In use'}</span> free from ${when}`;
    }
    return html`<span class="tag good">Free now</span> ${until === null ? nothing : `until ${when}`}`;
  }

  #busy(slots: Slot[], now: number): TemplateResult {
    return html`
      <ul class="busy muted" aria-label="Booked times">
        ${slots.map(
          (slot) => html`
            <li>
              ${day(slot.startsAt, now) === 'today' ? '' : `${day(slot.startsAt, now)}, `}${timeOfDay(slot.startsAt)} –
              ${timeOfDay(slot.endsAt)} ${slot.mine ? html`<strong>yours</strong>` : (slot.name ?? 'booked')}
            </li>
          `,
        )}
      </ul>
    `;
  }

  async #load(): Promise<void> {
    try {
      const now = clock.now();
      const [robots, schedule, mine] = await Promise.all([
        api.robots(),
        api.schedule(isoDate(now), isoDate(now + DAY_MS)),
        api.myBookings(),
      ]);
      this.mine = mine.items;
      this.robots = robots.registry.filter((robot) => robot.retired !== true);
      this.schedule = schedule.items;
    } catch (thrown) {
      this.problem = inWords(thrown);
    }
  }
}

function isRunning(booking: Booking, now: number): boolean {
  const open = booking.status === 'confirmed' || booking.status === 'active';
  return open && Date.parse(booking.starts_at) <= now && now < Date.parse(booking.ends_at);
}

function describe(robot: Robot): string {
  const cameras = robot.cameras.length;
  const parts = [robot.type, cameras === 0 ? '' : cameras === 1 ? '1 camera' : `${cameras} cameras`];
  if (robot.maintenance === true) parts.push('in maintenance');
  return parts.filter((part) => part !== '').join(' · ');
}
