import { addDays, browserZone, localTime } from './zone.js';

/** Milliseconds left until `endsAt`, never negative. */
export function leftMs(endsAt: number, now: number): number {
  return Math.max(0, endsAt - now);
}

/** `1:02:03` or `4:05`: rounds up, so that 0:00 is shown only when it is over. */
export function countdown(ms: number): string {
  const all = Math.ceil(Math.max(0, ms) / 1000);
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** A duration as a person says it: `3 days`, `1 h 5 min`, `12 min`, `40 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(Math.max(0, ms) / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes >= 48 * 60) return `${Math.round(minutes / 1440)} days`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

const SHAPES = {
  clock: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  exact: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  day: { weekday: 'short', day: 'numeric', month: 'short' },
  longDay: { weekday: 'long', day: 'numeric', month: 'long' },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** In the language that the console speaks. */
function format(shape: keyof typeof SHAPES, at: number, zone: string, more: Intl.DateTimeFormatOptions = {}): string {
  const key = `${shape} ${zone} ${Object.keys(more).join()}`;
  let found = FORMATS.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', { ...SHAPES[shape], ...more, timeZone: zone });
    FORMATS.set(key, found);
  }
  return found.format(at);
}

/** Time of day to the minute, here unless a zone is named. */
export function clock(at: number, zone = browserZone()): string {
  return format('clock', at, zone);
}

/** Time of day here, to the second. */
export function exactClock(at: number): string {
  return format('exact', at, browserZone());
}

/** The day as seen from `now`: `today`, `tomorrow` or a short date. */
export function day(at: number, now: number, zone = browserZone()): string {
  const [date, today] = [localTime(zone, at).date, localTime(zone, now).date];
  if (date === today) return 'today';
  if (date === addDays(today, 1)) return 'tomorrow';
  return dated('day', at, now, zone);
}

/** `Sunday 22 November`, with the year where it is not the one of `now`. */
export function longDay(at: number, now: number, zone = browserZone()): string {
  return dated('longDay', at, now, zone).replace(',', '');
}

/** `Sun 22 Nov`, with the year where it is not the one of `now`. */
export function shortDay(at: number, now: number, zone = browserZone()): string {
  return dated('day', at, now, zone).replace(',', '');
}

function dated(shape: 'day' | 'longDay', at: number, now: number, zone: string): string {
  const year = (of: number) => localTime(zone, of).date.slice(0, 4);
  return format(shape, at, zone, year(at) === year(now) ? {} : { year: 'numeric' });
}

/** A window: `today, 14:00 – 15:00`. */
export function windowText(startsAt: number, endsAt: number, now: number, zone = browserZone()): string {
  return `${day(startsAt, now, zone)}, ${clock(startsAt, zone)} – ${clock(endsAt, zone)}`;
}

/** `YYYY-MM-DD` here. */
export function isoDate(at: number): string {
  return localTime(browserZone(), at).date;
}
