import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { Booking, Robot, ScheduledSlot } from '../api/types.js';
import { api, clock, mayBook, session } from '../context.js';
import { empty, LoadingPage } from '../parts/loading-page.js';
import { tag, type Tone } from '../parts/tag.js';
import { zoneNote } from '../parts/zone-note.js';
import { vars } from '../parts/vars.js';
import { availability, slotsOf, type Slot } from '../schedule.js';
import { clock as timeOfDay, day, isoDate, windowText } from '../time/format.js';

const HOUR_MS = 3_600_000;
/** How far ahead a robot's card shows what is booked. */
const AHEAD_MS = 12 * HOUR_MS;

/** What holds a robot, as it is said of now and of later. */
const HELD: Record<Slot['kind'], { now: string; then: string; tone: Tone }> = {
  mine: { now: 'Yours now', then: 'yours', tone: 'mine' },
  taken: { now: 'In use', then: 'taken', tone: 'warn' },
  maintenance: { now: 'In maintenance', then: 'in maintenance', tone: 'warn' },
};

/** What there is, how it is, and what is free. */
@customElement('curfew-robots')
export class RobotsPage extends LoadingPage {
  protected override readonly refreshMs = 15_000;
  @state() private robots: Robot[] = [];
  @state() private schedule: ScheduledSlot[] = [];
  @state() private mine: Booking[] = [];

  protected override render() {
    return html`
      <div class="page">
        <h1 tabindex="-1">Robots</h1>
        ${this.outcome()}
        ${this.content(() =>
          this.robots.length === 0
            ? empty('There are no robots yet.', this.#addRobots())
            : html`<ul class="grid">${this.robots.map((robot) => this.#card(robot))}</ul>${zoneNote()}`,
        )}
      </div>
    `;
  }

  #addRobots(): unknown {
    if (session.current?.user.role !== 'admin') return html`<p class="muted">An administrator adds them.</p>`;
    return html`<a class="button primary" href="#/admin/robots">Add a robot</a>`;
  }

  #card(robot: Robot): TemplateResult {
    const now = clock.now();
    const slots = slotsOf(robot, this.schedule, now);
    const running = this.mine.find((booking) => booking.robot_id === robot.id && isRunning(booking, now));
    return html`
      <li class="card">
        <div class="row between">
          <h2>${robot.name}</h2>
          ${tag(robot.online ? 'Online' : 'Offline', robot.online ? 'good' : 'plain')}
        </div>
        <p class="muted small">${describe(robot)}</p>
        ${robot.emergency_stop === true ? tag('Emergency stop', 'bad') : nothing}
        <p>${this.#free(slots, now)}</p>
        ${this.#ahead(slots, now)}
        <div class="row">
          ${running === undefined
            ? nothing
            : html`<a class="button primary" href="#/watch/${running.id}">Watch<span class="unseen"> ${robot.name}</span></a>`}
          <a class="button ${running === undefined ? 'primary' : ''}" href="#/calendar/${robot.id}">
            ${mayBook() ? 'Book' : 'Calendar'}<span class="unseen"> ${robot.name}</span>
          </a>
        </div>
      </li>
    `;
  }

  #free(slots: Slot[], now: number): TemplateResult {
    const { held, until } = availability(slots, now);
    const when = until === null ? '' : `${day(until, now) === 'today' ? '' : `${day(until, now)} `}${timeOfDay(until)}`;
    if (held === null) return html`${tag('Free now', 'good')} ${until === null ? nothing : `until ${when}`}`;
    return html`${tag(HELD[held].now, HELD[held].tone)} ${until === null ? 'until somebody ends it' : `free from ${when}`}`;
  }

  /** The hours that come, with what is booked in them. */
  #ahead(slots: Slot[], now: number): TemplateResult {
    const end = now + AHEAD_MS;
    const shown = slots.filter(({ startsAt }) => startsAt < end);
    const said = shown.map(({ startsAt, endsAt, kind }) => `${HELD[kind].then} ${windowText(startsAt, Math.min(endsAt, end), now)}`);
    const share = (at: number) => Math.min(1, Math.max(0, (at - now) / AHEAD_MS));
    return html`
      <div class="ahead" role="img" aria-label=${`The next 12 hours: ${said.length === 0 ? 'nothing is booked' : said.join('; ')}`}>
        ${shown.map(
          ({ startsAt, endsAt, kind }) =>
            html`<i class=${kind === 'mine' ? 'mine' : 'taken'} ${vars({ '--from': share(startsAt), '--to': share(endsAt) })}></i>`,
        )}
      </div>
      <p class="ahead-ends muted" aria-hidden="true"><span>now</span><span>${timeOfDay(now + AHEAD_MS / 2)}</span><span>${timeOfDay(end)}</span></p>
    `;
  }

  protected override async load(): Promise<void> {
    const now = clock.now();
    const [robots, schedule, mine] = await Promise.all([
      api.robots(),
      // The lab's days may be a day off from the ones here.
      api.schedule(isoDate(now - 24 * HOUR_MS), isoDate(now + 48 * HOUR_MS)),
      api.myLiveBookings(),
    ]);
    this.mine = mine;
    this.robots = robots.registry.filter((robot) => robot.retired !== true);
    this.schedule = schedule.items;
  }
}

function isRunning(booking: Booking, now: number): boolean {
  const open = booking.status === 'confirmed' || booking.status === 'active';
  return open && Date.parse(booking.starts_at) <= now && now < Date.parse(booking.ends_at);
}

function describe(robot: Robot): string {
  const cameras = robot.cameras.length;
  const parts = [robot.type, cameras === 0 ? '' : cameras === 1 ? '1 camera' : `${cameras} cameras`];
  return parts.filter((part) => part !== '').join(' · ');
}
