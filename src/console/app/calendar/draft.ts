import { addDays, instantOf, instants, localTime } from '../time/zone.js';

const MINUTE_MS = 60_000;

/** A window that somebody is choosing, in Unix milliseconds; `column` is what it would book. */
export interface Draft {
  column: string;
  startsAt: number;
  endsAt: number;
}

/** What a choice has to keep to. Lengths in minutes. */
export interface Bounds {
  zone: string;
  /** Starts and lengths are chosen in steps of this. */
  step: number;
  longest: number;
}

export interface Span {
  startsAt: number;
  endsAt: number;
}

/** Steps in which people choose: a quarter of an hour, or less where the lab's slots are shorter or oddly long. */
export function stepOf(slotMinutes: number): number {
  return [15, 10, 5].find((step) => slotMinutes % step === 0) ?? 1;
}

/** The window between two points of a drag, in whatever order, in whole steps and no longer than allowed. */
export function dragged(column: string, from: number, to: number, bounds: Bounds): Draft {
  const step = bounds.step * MINUTE_MS;
  const longest = bounds.longest * MINUTE_MS;
  const floor = (at: number) => Math.floor(at / step) * step;
  if (to >= from) {
    const startsAt = floor(from);
    return { column, startsAt, endsAt: Math.min(Math.max(floor(to - 1) + step, startsAt + step), startsAt + longest) };
  }
  const endsAt = floor(from) + step;
  return { column, startsAt: Math.max(floor(to), endsAt - longest), endsAt };
}

/** Moves a choice by so many steps. */
export function moved(draft: Draft, steps: number, { step }: Bounds): Draft {
  const by = steps * step * MINUTE_MS;
  return { ...draft, startsAt: draft.startsAt + by, endsAt: draft.endsAt + by };
}

/** Moves a choice by days, to the same time on the zone's clock, whatever that clock does in between. */
export function movedDays(draft: Draft, days: number, { zone }: Bounds): Draft {
  const { date, minute } = localTime(zone, draft.startsAt);
  const startsAt = instantOf(zone, addDays(date, days), minute);
  return { ...draft, startsAt, endsAt: startsAt + draft.endsAt - draft.startsAt };
}

/** Makes a choice longer or shorter at its end, at least one step long. */
export function lengthened(draft: Draft, steps: number, { step, longest }: Bounds): Draft {
  const length = (draft.endsAt - draft.startsAt) / MINUTE_MS + steps * step;
  const kept = Math.min(longest, Math.max(step, length));
  return { ...draft, endsAt: draft.startsAt + kept * MINUTE_MS };
}

/** What the fields of a choice say, by the zone's clock: `YYYY-MM-DD` and `HH:MM`. */
export interface Fields {
  column: string;
  date: string;
  from: string;
  until: string;
}

export function fieldsOf({ column, startsAt, endsAt }: Draft, zone: string): Fields {
  const [start, end] = [localTime(zone, startsAt), localTime(zone, endsAt)];
  return { column, date: start.date, from: timeOf(start.minute), until: timeOf(end.minute) };
}

/**
 * The choice that changed fields mean. Another start keeps the length. What still says the same keeps its instant, since of
 * the two hours of one name, when clocks are set back, the fields tell neither.
 */
export function draftOf(fields: Fields, before: Draft, zone: string): Draft {
  const { column, date, from, until } = fields;
  const shown = fieldsOf(before, zone);
  const startsAt = date === shown.date && from === shown.from ? before.startsAt : instantOf(zone, date, minuteOf(from));
  const length = before.endsAt - before.startsAt;
  return { column, startsAt, endsAt: until === shown.until ? startsAt + length : endAfter(startsAt, minuteOf(until), zone) };
}

/** The next time after a start at which the zone's clock shows this. */
function endAfter(startsAt: number, minute: number, zone: string): number {
  const { date } = localTime(zone, startsAt);
  const times = [...instants(zone, date, minute), instantOf(zone, date, minute)];
  return times.find((at) => at > startsAt) ?? instantOf(zone, addDays(date, 1), minute);
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
}

function timeOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

export function overlaps(one: Span, other: Span): boolean {
  return one.startsAt < other.endsAt && other.startsAt < one.endsAt;
}

/** When at least `count` of these windows run at once: what nobody else can have of so many robots. */
export function allTaken(windows: readonly Span[], count: number): Span[] {
  const turns = windows
    .flatMap(({ startsAt, endsAt }) => [
      { at: startsAt, by: 1 },
      { at: endsAt, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  const found: Span[] = [];
  let running = 0;
  for (const { at, by } of turns) {
    const before = running;
    running += by;
    if (before < count && running >= count) found.push({ startsAt: at, endsAt: at });
    const open = found.at(-1);
    if (before >= count && running < count && open !== undefined) open.endsAt = at;
  }
  return found.filter(({ startsAt, endsAt }) => endsAt > startsAt);
}
