import { addDays, dayStart, localTime } from '../time/zone.js';

/** What one row of the calendar stands for. Half an hour, because no zone's clocks are set by less. */
export const ROW_MS = 1_800_000;
const ROW_MINUTES = 30;
const DAY_MINUTES = 1440;

/** A time of the day that at least one of the days shown has. */
export interface Row {
  minute: number;
  /** It is the second time that the clocks show this, since they were set back. */
  again: boolean;
}

/** One day: the instant at which each row begins, null where this day has no such time. */
export interface Day {
  date: string;
  starts: (number | null)[];
}

/** Days beside each other with common rows, whatever their clocks do. */
export interface Grid {
  rows: Row[];
  days: Day[];
}

/** Where something lies in a day, in rows from the top. */
export interface Place {
  top: number;
  height: number;
}

/**
 * Lays days of a zone beside each other.
 *
 * @param from the first minute of the day to show
 * @param to the minute at which the rows end, 1440 for the day's end
 */
export function layOut(zone: string, dates: readonly string[], from = 0, to = DAY_MINUTES): Grid {
  const days = dates.map((date) => timesOf(zone, date));
  const rows = commonRows(days.map(({ times }) => [...times.keys()])).filter(({ minute }) => from <= minute && minute < to);
  return {
    rows,
    days: days.map(({ date, times }) => ({ date, starts: rows.map((row) => times.get(keyOf(row)) ?? null) })),
  };
}

/** Where a window lies in a day; null where it does not touch what is shown of it. */
export function place(day: Day, startsAt: number, endsAt: number): Place | null {
  const top = rowFrom(day, startsAt);
  const bottom = rowAt(day, endsAt);
  return bottom > top ? { top, height: bottom - top } : null;
}

/** Rows from the top at which an instant lies, kept within what is shown. */
export function rowAt(day: Day, at: number): number {
  let passed = 0;
  for (const [index, start] of day.starts.entries()) {
    if (start === null || at <= start) continue;
    passed = index + Math.min(1, (at - start) / ROW_MS);
  }
  return passed;
}

/** Rows from the top at which a window begins: where times are skipped, after the gap and not before it. */
function rowFrom(day: Day, at: number): number {
  const index = day.starts.findIndex((start) => start !== null && at < start + ROW_MS);
  const start = day.starts[index] ?? null;
  return start === null ? day.starts.length : index + Math.max(0, at - start) / ROW_MS;
}

/** The instant at so many rows from the top; null where the day has no such time. */
export function instantAt(day: Day, row: number): number | null {
  const last = day.starts.length - 1;
  const index = Math.min(last, Math.max(0, Math.floor(row)));
  const start = day.starts[index] ?? null;
  return start === null ? null : start + Math.min(1, Math.max(0, row - index)) * ROW_MS;
}

/** Stretches of a day that its clocks skip, in rows. */
export function gaps(day: Day): Place[] {
  const found: Place[] = [];
  for (const [top, start] of day.starts.entries()) {
    const before = found.at(-1);
    if (start !== null) continue;
    if (before !== undefined && before.top + before.height === top) before.height += 1;
    else found.push({ top, height: 1 });
  }
  return found;
}

function timesOf(zone: string, date: string): { date: string; times: Map<string, number> } {
  const times = new Map<string, number>();
  const end = dayStart(zone, addDays(date, 1));
  for (let at = dayStart(zone, date); at < end; at += ROW_MS) {
    const minute = Math.floor(localTime(zone, at).minute / ROW_MINUTES) * ROW_MINUTES;
    const again = times.has(keyOf({ minute, again: false }));
    times.set(keyOf({ minute, again }), at);
  }
  return { date, times };
}

/** Every ordinary time, and after them, where a day repeats some, the repeated ones. */
function commonRows(days: string[][]): Row[] {
  const keys = Array.from({ length: DAY_MINUTES / ROW_MINUTES }, (_, row) =>
    keyOf({ minute: row * ROW_MINUTES, again: false }),
  );
  for (const day of days) {
    for (const [index, key] of day.entries()) {
      if (!keys.includes(key)) keys.splice(keys.indexOf(day[index - 1] ?? '') + 1, 0, key);
    }
  }
  const present = new Set(days.flat());
  return keys.filter((key) => present.has(key) || days.length === 0).map(rowOf);
}

function keyOf({ minute, again }: Row): string {
  return again ? `${minute}+` : String(minute);
}

function rowOf(key: string): Row {
  return { minute: Number.parseInt(key, 10), again: key.endsWith('+') };
}
