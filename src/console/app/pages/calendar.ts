import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { AvailableSlots, Booking, NewBooking, Robot, ScheduledSlot } from '../api/types.js';
import type { FromNow } from '../calendar/booking-panel.js';
import '../calendar/booking-panel.js';
import { draftInWords } from '../calendar/calendar-grid.js';
import { stepOf, type Bounds, type Draft, type Span } from '../calendar/draft.js';
import { columnOf, horizonInWords, labTimes, lastStart, lengthsFromNow, objection, targetsOf, type Column, type LabTimes, type Target } from '../calendar/model.js';
import { api, clock, mayBook } from '../context.js';
import { empty, LoadingPage } from '../parts/loading-page.js';
import { duration, isoDate, longDay, shortDay, windowText } from '../time/format.js';
import { addDays, agree, browserZone, dayStart, daysBetween, isZone, localTime } from '../time/zone.js';

const TICK_MS = 15_000;
const MINUTE_MS = 60_000;
const NARROW = '(max-width: 44rem)';

/** What is free and taken by day or week, and booking it. */
@customElement('curfew-calendar')
export class CalendarPage extends LoadingPage {
  protected override readonly refreshMs = TICK_MS;
  /** The robot to begin with: its id. */
  @property({ attribute: false }) robot: string | null = null;
  @state() private robots: Robot[] = [];
  @state() private schedule: ScheduledSlot[] = [];
  @state() private offered = new Map<string, AvailableSlots>();
  @state() private times: LabTimes | null = null;
  @state() private date = isoDate(clock.now());
  @state() private view: 'day' | 'week' = matchMedia(NARROW).matches ? 'day' : 'week';
  /** A target's key; null for every robot, which a day can show. */
  @state() private chosen: string | null = null;
  @state() private draft: Draft | null = null;
  @state() private booked: Booking | null = null;
  #asked = '';

  override connectedCallback(): void {
    if (this.robot !== null) this.chosen = `robot:${this.robot}`;
    super.connectedCallback();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('robot') || !this.hasUpdated || this.robot === null) return;
    this.chosen = `robot:${this.robot}`;
    void this.refresh();
  }

  protected override render() {
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">Calendar</h1>
          ${this.#zone()}
        </div>
        ${this.content(() => this.#body())}
      </div>
    `;
  }

  #zone() {
    if (this.times === null) return nothing;
    const same = agree(browserZone(), this.times.zone, clock.now());
    return html`<p class="muted">Times are the lab's: <strong>${this.times.zone}</strong>${same ? nothing : html`, not those of your clock (${browserZone()})`}</p>`;
  }

  #body(): TemplateResult {
    const { times } = this;
    const targets = targetsOf(this.robots);
    if (times === null || targets.length === 0) return empty('There are no robots yet. An administrator adds them.');
    const now = clock.now();
    const bounds: Bounds = { zone: times.zone, step: stepOf(times.slotMinutes), longest: times.longestMinutes };
    const columns = this.#columns(targets, times);
    const may = mayBook();
    return html`
      ${this.#toolbar(targets, times)} ${this.outcome()} ${this.#beyond(times, now)}
      <div class="calendar ${may ? '' : 'alone'}">
        <div>
          <curfew-calendar-grid
            .columns=${columns}
            .times=${times}
            .bounds=${bounds}
            .draft=${this.draft}
            .view=${this.view}
            .now=${now}
            .choosing=${may}
            @draft=${(event: CustomEvent<Draft | null>) => this.#choose(event.detail)}
            @book=${() => this.#book(columns, times)}
          ></curfew-calendar-grid>
          ${this.#legend(may)}
        </div>
        ${may ? this.#panel(targets, columns, times, now) : nothing}
      </div>
    `;
  }

  #panel(targets: Target[], columns: Column[], times: LabTimes, now: number): TemplateResult {
    return html`
      <div class="calendar-side">
        ${this.booked === null
          ? nothing
          : html`<div class="row"><a class="button primary" href="#/watch/${this.booked.id}">Watch</a> <a class="button" href="#/bookings">My bookings</a></div>`}
        <curfew-booking-panel
          .draft=${this.draft}
          .targets=${targets}
          .times=${times}
          .now=${now}
          .objection=${this.#objection(times)}
          .pending=${this.pending}
          .nowFor=${this.#fromNow(columns, times, now)}
          @draft=${(event: CustomEvent<Draft | null>) => this.#choose(event.detail)}
          @book=${() => this.#book(columns, times)}
          @from-now=${(event: CustomEvent<number>) => this.#bookFromNow(event.detail, columns, times)}
        ></curfew-booking-panel>
      </div>
    `;
  }

  #toolbar(targets: Target[], times: LabTimes): TemplateResult {
    const today = localTime(times.zone, clock.now()).date;
    const said = (as: typeof longDay, date: string) => as(noon(date), noon(today), 'UTC');
    const shown = this.view === 'day' ? said(longDay, this.date) : `${said(shortDay, this.date)} – ${said(shortDay, addDays(this.date, 6))}`;
    return html`
      <div class="toolbar">
        <div class="row tight">
          <button type="button" class="icon" aria-label=${`${this.view} before`} @click=${() => this.#go(-1)}>‹</button>
          <button type="button" @click=${() => this.#show(today)}>Today</button>
          <button type="button" class="icon" aria-label=${`${this.view} after`} @click=${() => this.#go(1)}>›</button>
          <h2 class="shown" aria-live="polite">${shown}</h2>
        </div>
        <div class="row tight">
          <label class="unseen" for="calendar-of">Robot</label>
          <select id="calendar-of" @change=${(event: Event) => this.#chooseTarget((event.target as HTMLSelectElement).value)}>
            ${this.view === 'day' ? html`<option value="" ?selected=${this.chosen === null}>All robots</option>` : nothing}
            ${targets.map(({ key, name }) => html`<option value=${key} ?selected=${key === this.#target(targets)?.key}>${name}</option>`)}
          </select>
          <div class="switch" role="group" aria-label="View">
            ${(['day', 'week'] as const).map(
              (view) => html`
                <button type="button" aria-pressed=${this.view === view ? 'true' : 'false'} @click=${() => this.#setView(view)}>
                  ${view === 'day' ? 'Day' : 'Week'}
                </button>
              `,
            )}
          </div>
        </div>
      </div>
    `;
  }

  /** Says why there is nothing to choose where all that is shown is too far ahead. */
  #beyond(times: LabTimes, now: number) {
    if (dayStart(times.zone, this.date) <= lastStart(times, now)) return nothing;
    return html`<p class="notice" role="status">${horizonInWords(times, now)}</p>`;
  }

  #legend(may: boolean): TemplateResult {
    return html`
      <p class="legend small muted">
        <span><i class="free"></i>Free slot</span> <span><i class="mine"></i>Yours</span> <span><i class="taken"></i>Taken</span>
      </p>
      ${may
        ? html`<p class="small muted keys" id="calendar-keys">
            By keyboard: arrows move the window, Shift with arrows changes its length, Enter books it, Esc drops it.
          </p>`
        : html`<p class="unseen" id="calendar-keys">What is free and taken.</p>`}
      <p class="unseen" role="status">${this.#said()}</p>
    `;
  }

  #said(): string {
    const { draft, times } = this;
    if (draft === null || times === null) return '';
    const name = targetsOf(this.robots).find(({ key }) => key === draft.column)?.name ?? '';
    return `${draftInWords(draft, name, clock.now(), times.zone)}. ${this.#objection(times) ?? 'Free.'}`;
  }

  /** In a week there is one target; every robot at once only fits a day. */
  #target(targets: Target[]): Target | undefined {
    const found = targets.find(({ key }) => key === this.chosen);
    return this.view === 'week' ? (found ?? targets[0]) : found;
  }

  #shown(targets: Target[]): Target[] {
    const target = this.#target(targets);
    return target === undefined ? targets.filter(({ robots }) => robots.length === 1) : [target];
  }

  #columns(targets: Target[], times: LabTimes): Column[] {
    const shown = this.#shown(targets);
    return this.#dates().flatMap((date) =>
      shown.map((one) => columnOf(one, date, this.schedule, this.offered.get(`${date} ${one.type}`), times.zone)),
    );
  }

  /** A week is seven days from the one chosen, so that it begins with days that can still be booked. */
  #dates(): string[] {
    if (this.view === 'day') return [this.date];
    return Array.from({ length: 7 }, (_, days) => addDays(this.date, days));
  }

  #objection(times: LabTimes): string | null {
    const { draft } = this;
    const target = targetsOf(this.robots).find(({ key }) => key === draft?.column);
    return draft === null || target === undefined ? null : objection(draft, this.#daysOf(target, draft, times), times, clock.now());
  }

  /** What is known of a target on the days of a window, with what else one has booked then: nobody is in two sessions at once. */
  #daysOf(target: Target, { startsAt, endsAt }: Span, times: LabTimes): Column[] {
    const dates = new Set([startsAt, endsAt - 1].map((at) => localTime(times.zone, at).date));
    const own = this.schedule
      .filter(({ mine }) => mine)
      .map(({ starts_at, ends_at }) => ({ startsAt: Date.parse(starts_at), endsAt: Date.parse(ends_at), mine: true, text: 'Yours' }));
    return [...dates].map((date) => {
      const column = columnOf(target, date, this.schedule, this.offered.get(`${date} ${target.type}`), times.zone);
      return { ...column, blocks: [...own, ...column.blocks] };
    });
  }

  #fromNow(columns: Column[], times: LabTimes, now: number): FromNow | null {
    const targets = new Map(columns.map(({ target }) => [target.key, target])).values();
    const longest = { startsAt: now, endsAt: now + times.longestMinutes * MINUTE_MS };
    for (const target of targets) {
      const days = this.#daysOf(target, longest, times);
      // While another week is shown, nobody knows whether the lab is open today.
      const lengths = days[0]?.open === undefined ? [] : lengthsFromNow(days, times, now);
      if (lengths.length > 0) return { target, lengths };
    }
    return null;
  }

  #choose(draft: Draft | null): void {
    this.draft = draft;
    this.booked = null;
    if (draft === null) return;
    this.problem = this.done = null;
    this.#follow(draft);
  }

  /** Shows the robot and the days of a choice that keys or fields took somewhere else. */
  #follow({ column, startsAt }: Draft): void {
    if (this.times === null) return;
    const days = daysBetween(this.date, localTime(this.times.zone, startsAt).date);
    const length = this.#dates().length;
    const isElsewhere = days < 0 || days >= length;
    const isOther = !this.#shown(targetsOf(this.robots)).some(({ key }) => key === column);
    if (isElsewhere) this.date = addDays(this.date, Math.floor(days / length) * length);
    if (isOther) this.chosen = column;
    if (isElsewhere || isOther) void this.refresh();
  }

  #chooseTarget(key: string): void {
    this.chosen = key === '' ? null : key;
    if (this.draft !== null && key !== '') this.draft = { ...this.draft, column: key };
    void this.refresh();
  }

  #setView(view: 'day' | 'week'): void {
    this.view = view;
    if (this.draft !== null) this.#follow(this.draft);
    void this.refresh();
  }

  #show(date: string): void {
    this.date = date;
    void this.refresh();
  }

  #go(by: -1 | 1): void {
    this.#show(addDays(this.date, this.view === 'day' ? by : 7 * by));
  }

  #bookFromNow(minutes: number, columns: Column[], times: LabTimes): void {
    const startsAt = Math.floor(clock.now());
    const target = this.#fromNow(columns, times, startsAt)?.target;
    if (target !== undefined) void this.#ask(target, startsAt, startsAt + minutes * MINUTE_MS);
  }

  #book(columns: Column[], times: LabTimes): void {
    const { draft } = this;
    if (draft === null || this.#objection(times) !== null) return;
    const all = [...columns.map(({ target }) => target), ...targetsOf(this.robots)];
    const target = all.find(({ key }) => key === draft.column);
    if (target !== undefined) void this.#ask(target, draft.startsAt, draft.endsAt);
  }

  async #ask(target: Target, startsAt: number, endsAt: number): Promise<void> {
    const window = { starts_at: new Date(startsAt).toISOString(), ends_at: new Date(endsAt).toISOString() };
    const robot = target.robots[0];
    const of: NewBooking =
      target.robots.length === 1 && robot !== undefined ? { robot_id: robot, ...window } : { robot_type: target.type, ...window };
    await this.attempt(async () => {
      const booking = await api.book(of);
      this.draft = null;
      if (booking.status === 'requested') {
        this.done = 'The request is in. Its outcome shows under My bookings.';
      } else {
        const name = this.robots.find(({ id }) => id === booking.robot_id)?.name ?? booking.robot_type;
        this.done = `Booked: ${name}, ${windowText(startsAt, endsAt, clock.now(), this.times?.zone)} (${duration(endsAt - startsAt)}).`;
        this.booked = booking;
      }
    });
    await this.refresh();
  }

  protected override async load(): Promise<void> {
    const { registry } = await api.robots();
    const robots = registry.filter((robot) => robot.retired !== true);
    const first = robots[0];
    if (first !== undefined && this.times === null) {
      const slots = await api.availableSlots(this.date, first.type);
      this.times = { ...labTimes(slots), zone: isZone(slots.zone) ? slots.zone : 'UTC' };
      this.date = localTime(this.times.zone, clock.now()).date;
    }
    this.robots = robots;
    const dates = this.#dates();
    const target = this.#target(targetsOf(robots));
    const types = target === undefined ? [...new Set(robots.map(({ type }) => type))] : [target.type];
    const asked = `${dates.join()} ${types.join()}`;
    this.#asked = asked;
    const wanted = dates.flatMap((date) => types.map((type) => ({ date, type })));
    const [schedule, ...offered] = await Promise.all([
      api.schedule(addDays(dates[0]!, -1), addDays(dates.at(-1)!, 1)),
      ...wanted.map(({ date, type }) => api.availableSlots(date, type)),
    ]);
    // Somebody who pages quickly sees the last page that was asked for.
    if (this.#asked !== asked) return;
    this.schedule = schedule.items;
    this.offered = new Map(offered.map((slots) => [`${slots.date} ${slots.robot_type}`, slots]));
    if (offered[0] !== undefined) this.times = { ...labTimes(offered[0]), zone: this.times?.zone ?? 'UTC' };
  }
}

function noon(date: string): number {
  return Date.parse(`${date}T12:00:00Z`);
}
