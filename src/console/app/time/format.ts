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

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const exactFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });

/** Time of day here, to the minute. */
export function clock(at: number): string {
  return clockFormat.format(at);
}

/** Time of day here, to the second. */
export function exactClock(at: number): string {
  return exactFormat.format(at);
}

/** The day as seen from `now`: `today`, `tomorrow` or a short date. */
export function day(at: number, now: number): string {
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000);
  if (days === 0) return 'today';
  if (days === 1) return 'tomorrow';
  return dayFormat.format(at);
}

/** A window: `today, 14:00 – 15:00`. */
export function windowText(startsAt: number, endsAt: number, now: number): string {
  return `${day(startsAt, now)}, ${clock(startsAt)} – ${clock(endsAt)}`;
}

/** `YYYY-MM-DD` here. */
export function isoDate(at: number): string {
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
