/** Days and times of the day in a named time zone. Dates are `YYYY-MM-DD`, instants Unix milliseconds. */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export interface LocalTime {
  date: string;
  /** Minutes on the zone's clock since it showed 00:00. */
  minute: number;
}

/** The zone that this browser is in. */
export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Whether the browser knows this zone, so that times can be shown in it. */
export function isZone(zone: string): boolean {
  try {
    partsOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** Whether two zones' clocks show the same at this instant. */
export function agree(one: string, other: string, at: number): boolean {
  return one === other || offsetMs(one, at) === offsetMs(other, at);
}

/** What the zone's clock shows at an instant. */
export function localTime(zone: string, at: number): LocalTime {
  const shown = new Date(at + offsetMs(zone, at));
  return { date: shown.toISOString().slice(0, 10), minute: shown.getUTCHours() * 60 + shown.getUTCMinutes() };
}

/** The first instant of a date: usually midnight, the end of the gap where the clocks are set forward over it. */
export function dayStart(zone: string, date: string): number {
  return instants(zone, date, 0)[0] ?? shifted(zone, date, 0);
}

/** The instants at which the zone's clock shows this: none in a gap, two where it is set back, else one. In order. */
export function instants(zone: string, date: string, minute: number): number[] {
  const shown = Date.parse(`${date}T00:00:00Z`) + minute * MINUTE_MS;
  const guesses = [offsetMs(zone, shown - DAY_MS), offsetMs(zone, shown + DAY_MS)].map((offset) => shown - offset);
  const right = guesses.filter((at) => at + offsetMs(zone, at) === shown);
  return [...new Set(right)].sort((a, b) => a - b);
}

/** A local time as an instant; one that the zone skips is taken as far after the gap as it lies in it. */
export function instantOf(zone: string, date: string, minute: number): number {
  return instants(zone, date, minute)[0] ?? shifted(zone, date, minute);
}

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** How many days a date is after another; negative where it is before. */
export function daysBetween(one: string, other: string): number {
  return Math.round((Date.parse(`${other}T00:00:00Z`) - Date.parse(`${one}T00:00:00Z`)) / DAY_MS);
}

/** By the offset of before the gap. */
function shifted(zone: string, date: string, minute: number): number {
  const shown = Date.parse(`${date}T00:00:00Z`) + minute * MINUTE_MS;
  return shown - offsetMs(zone, shown - DAY_MS);
}

/** What to add to an instant so that reading it as UTC gives the zone's clock. */
function offsetMs(zone: string, at: number): number {
  const found: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of partsOf(zone).formatToParts(at)) found[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
  const whole = Math.floor(at / 1000) * 1000;
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

function partsOf(zone: string): Intl.DateTimeFormat {
  let format = FORMATS.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    FORMATS.set(zone, format);
  }
  return format;
}
