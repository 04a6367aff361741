import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { vars } from '../parts/vars.js';
import { clock, longDay, shortDay } from '../time/format.js';
import { localTime } from '../time/zone.js';
import { dragged, overlaps, type Bounds, type Draft, type Span } from './draft.js';
import { gaps, instantAt, layOut, place, rowAt, type Day, type Grid, type Place } from './geometry.js';
import { keyed } from './keys.js';
import { closedOn, hoursShown, lastStart, within, type Block, type Column, type LabTimes } from './model.js';

/** Fewer pixels than this are a click and no drag. */
const CLICK_PX = 5;

type Grip = 'new' | 'start' | 'end';

interface Drag {
  grip: Grip;
  column: number;
  anchor: number;
  pressedAt: number;
  isDrag: boolean;
}

/**
 * Days or robots beside each other: what is free, what is taken, and a window to choose by pointer or keys.
 *
 * Fires `draft` with the chosen `Draft` or null, and `book` when Enter asks for it.
 */
@customElement('curfew-calendar-grid')
export class CalendarGrid extends LitElement {
  @property({ attribute: false }) columns: readonly Column[] = [];
  @property({ attribute: false }) times!: LabTimes;
  @property({ attribute: false }) bounds!: Bounds;
  @property({ attribute: false }) draft: Draft | null = null;
  @property({ attribute: false }) view: 'day' | 'week' = 'day';
  @property({ attribute: false }) now = 0;
  /** Whether one may choose, or only look. */
  @property({ attribute: false }) choosing = true;
  @query('.cal-scroll') private scroller!: HTMLElement | null;
  #grid: Grid = { rows: [], days: [] };
  #drag: Drag | null = null;
  /** The click to come belongs to a drag that was. */
  #pulled = false;

  protected override createRenderRoot(): this {
    return this;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('columns') && !changed.has('times')) return;
    const { from, to } = hoursShown(this.times, this.columns);
    const dates = [...new Set(this.columns.map(({ date }) => date))];
    const grid = layOut(this.times.zone, dates, from, to);
    const byDate = new Map(grid.days.map((day) => [day.date, day]));
    this.#grid = { rows: grid.rows, days: this.columns.map(({ date }) => byDate.get(date) ?? { date, starts: [] }) };
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('view') || changed.get('columns')?.length === 0) this.#scrollToWhatMatters();
    // What covers the calendar's rims, its own head and on a phone the panel below, is in its style sheet.
    if (changed.has('draft') && this.#drag === null) this.querySelector('.draft')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  protected override render() {
    const count = { '--columns': this.columns.length, '--rows': this.#grid.rows.length };
    return html`
      <div class="cal-scroll">
        <div
          class="cal"
          ${vars(count)}
          role=${this.choosing ? 'application' : 'region'}
          aria-label="Calendar"
          aria-roledescription=${this.choosing ? 'calendar' : nothing}
          aria-describedby="calendar-keys"
          tabindex="0"
          @keydown=${this.#onKey}
        >
          <div class="cal-corner"></div>
          ${this.columns.map((column) => this.#head(column))}
          <div class="cal-hours" aria-hidden="true">${this.#hours()}</div>
          ${this.columns.map((column, index) => this.#column(column, index))}
        </div>
      </div>
    `;
  }

  #head({ target, date }: Column): TemplateResult {
    const { zone } = this.times;
    const today = date === localTime(zone, this.now).date;
    const noon = Date.parse(`${date}T12:00:00Z`);
    // A column is too narrow for a year, which stands above all of them.
    const [name, title] = this.view === 'week' ? [shortDay(noon, noon, 'UTC'), shortDay(noon, this.now, 'UTC')] : [target.name, target.name];
    return html`<div class="cal-head ${today && this.view === 'week' ? 'today' : ''}" title=${title}><span>${name}</span></div>`;
  }

  #hours() {
    return this.#grid.rows.map(({ minute, again }, row) =>
      minute % 60 !== 0
        ? nothing
        : html`<span ${vars({ '--top': row })}>${String(minute / 60).padStart(2, '0')}:00${again ? ' again' : ''}</span>`,
    );
  }

  #column(column: Column, index: number): TemplateResult {
    const day = this.#grid.days[index]!;
    const closed = closedOn(column, this.times);
    return html`
      <div
        class="cal-day"
        data-column=${index}
        role="group"
        aria-label=${`${column.target.name}, ${longDay(Date.parse(`${column.date}T12:00:00Z`), this.now, 'UTC')}`}
        @pointerdown=${this.#press}
        @pointermove=${this.#move}
        @pointerup=${this.#release}
        @pointercancel=${() => (this.#drag = null)}
        @click=${this.#pick}
      >
        ${closed.map((span) => this.#at(day, span, 'closed', nothing))}
        ${gaps(day).map((gap) => html`<div class="cal-block skipped" ${vars(css(gap))} title="This day has no such time: the clocks are changed"></div>`)}
        ${column.free.map((slot) => this.#at(day, slot, 'free', html`<span class="unseen">Free ${this.#hoursOf(slot)}</span>`))}
        ${column.blocks.map((block) => this.#block(day, block))}
        ${this.#past(day)} ${this.#beyond(day)} ${this.#draftIn(column, day)} ${this.#nowLine(day)}
      </div>
    `;
  }

  #block(day: Day, block: Block) {
    const hours = this.#hoursOf(block);
    const kind = block.mine ? 'mine' : 'taken';
    return this.#at(day, block, kind, html`<b>${block.text}</b> <span>${hours}</span>`, `${block.text}, ${hours}`);
  }

  #hoursOf({ startsAt, endsAt }: Span): string {
    const { zone } = this.times;
    return `${clock(startsAt, zone)} – ${clock(endsAt, zone)}`;
  }

  #at(day: Day, { startsAt, endsAt }: Span, kind: string, inside: unknown, title = '') {
    const found = place(day, startsAt, endsAt);
    if (found === null) return nothing;
    return html`<div class="cal-block ${kind}" ${vars(css(found))} title=${title === '' ? nothing : title}>${inside}</div>`;
  }

  /** What is over already, under a veil. */
  #past(day: Day) {
    const row = rowAt(day, this.now);
    return row === 0 ? nothing : html`<div class="cal-past" ${vars({ '--height': row })}></div>`;
  }

  /** What cannot be booked yet, under a veil too. */
  #beyond(day: Day) {
    const row = rowAt(day, lastStart(this.times, this.now));
    const rows = day.starts.length - row;
    return rows <= 0 ? nothing : html`<div class="cal-beyond" ${vars({ '--top': row, '--height': rows })}></div>`;
  }

  #nowLine(day: Day) {
    const row = rowAt(day, this.now);
    const shown = row > 0 && row < day.starts.length;
    return shown ? html`<div class="cal-now" ${vars({ '--top': row })}></div>` : nothing;
  }

  #draftIn(column: Column, day: Day) {
    const { draft } = this;
    if (draft === null || draft.column !== column.target.key) return nothing;
    const found = place(day, draft.startsAt, draft.endsAt);
    if (found === null) return nothing;
    const wrong = draft.endsAt <= this.now || draft.startsAt > lastStart(this.times, this.now) || column.blocks.some((block) => overlaps(block, draft));
    return html`
      <div class="cal-block draft ${wrong ? 'wrong' : ''}" ${vars(css(found))}>
        <b>${this.#hoursOf(draft)}</b>
        <i class="grip start" data-grip="start"></i>
        <i class="grip end" data-grip="end"></i>
      </div>
    `;
  }

  /** Shows the morning of the day, or now with a little before it. */
  #scrollToWhatMatters(): void {
    const day = this.#grid.days.find(({ starts }) => rowIsToday(starts, this.now));
    const row = day === undefined ? this.#grid.rows.findIndex(({ minute }) => minute >= 480) : rowAt(day, this.now) - 2;
    const height = this.querySelector('.cal-day')?.clientHeight ?? 0;
    if (this.scroller !== null) this.scroller.scrollTop = (Math.max(0, row) / Math.max(1, this.#grid.rows.length)) * height;
  }

  #press = (event: PointerEvent) => {
    this.#pulled = false;
    if (!this.choosing || event.button !== 0) return;
    const found = this.#under(event);
    if (found === null) return;
    const grip = (event.target as HTMLElement).dataset['grip'];
    const kind: Grip = grip === 'start' || grip === 'end' ? grip : 'new';
    // A finger scrolls the day; it chooses by a tap, and changes what is chosen by its ends.
    if (event.pointerType !== 'touch' || kind !== 'new') (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const { draft } = this;
    const anchor = kind === 'new' || draft === null ? found.at : kind === 'start' ? draft.endsAt - 1 : draft.startsAt;
    this.#drag = { grip: kind, column: found.column, anchor, pressedAt: event.clientY, isDrag: kind !== 'new' };
  };

  #move = (event: PointerEvent) => {
    const drag = this.#drag;
    if (drag === null || (event.pointerType === 'touch' && drag.grip === 'new')) return;
    if (Math.abs(event.clientY - drag.pressedAt) > CLICK_PX) drag.isDrag = true;
    const found = drag.isDrag ? this.#under(event, drag.column) : null;
    const column = this.columns[drag.column];
    if (found === null || column === undefined) return;
    const chosen = within(dragged(column.target.key, drag.anchor, found.at, this.bounds), drag.anchor, column.blocks);
    if (chosen !== null) this.#choose(chosen);
  };

  #release = () => {
    this.#pulled = this.#drag?.isDrag === true;
    this.#drag = null;
  };

  /**
   * By the click, which comes last of all: what a finger's lifting put below it would take the click, and be the button that
   * books.
   */
  #pick = (event: MouseEvent) => {
    const found = this.choosing && !this.#pulled ? this.#under(event) : null;
    const column = this.columns[found?.column ?? -1];
    if (found === null || column === undefined) return;
    const slot = column.free.find(({ startsAt, endsAt }) => startsAt <= found.at && found.at < endsAt);
    const usual = Math.min(this.times.slotMinutes, this.times.longestMinutes) * 60_000;
    const start = dragged(column.target.key, found.at, found.at, this.bounds);
    const chosen = slot === undefined
      ? within({ ...start, endsAt: start.startsAt + usual }, found.at, column.blocks)
      : { column: column.target.key, ...slot };
    if (chosen !== null) this.#choose(chosen);
  };

  #under(event: MouseEvent, index = Number((event.currentTarget as HTMLElement).dataset['column'])): { column: number; at: number } | null {
    const box = this.querySelector(`[data-column="${index}"]`)?.getBoundingClientRect();
    const day = this.#grid.days[index];
    if (box === undefined || day === undefined || box.height === 0) return null;
    const at = instantAt(day, ((event.clientY - box.top) / box.height) * day.starts.length);
    return at === null ? null : { column: index, at };
  }

  #onKey = (event: KeyboardEvent) => {
    if (!this.choosing || event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns, bounds, times, draft, now, view } = this;
    const done = keyed(event, { columns, bounds, times, draft, now, view });
    if (done === null) return;
    event.preventDefault();
    if (done.book === true) this.dispatchEvent(new CustomEvent('book'));
    if (done.draft !== undefined) this.#choose(done.draft);
  };

  #choose(draft: Draft | null): void {
    this.dispatchEvent(new CustomEvent('draft', { detail: draft }));
  }
}

function css({ top, height }: Place) {
  return { '--top': top, '--height': height };
}

function rowIsToday(starts: readonly (number | null)[], now: number): boolean {
  const shown = starts.filter((start) => start !== null);
  const [first, last] = [shown[0], shown.at(-1)];
  return first !== undefined && last !== undefined && first <= now && now < last + 1_800_000;
}

/** A chosen window in words, for those who hear it. */
export function draftInWords(draft: Draft, name: string, now: number, zone: string): string {
  return `${name}, ${longDay(draft.startsAt, now, zone)}, ${clock(draft.startsAt, zone)} to ${clock(draft.endsAt, zone)}`;
}
