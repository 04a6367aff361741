import type { Booking, Robot } from '../api/types.js';
import { countdown, duration } from '../time/format.js';
import { statusInWords } from '../words.js';
import type { Tone } from './tag.js';

/** A booking as a list shows it, at an instant. */
export interface ShownBooking {
  booking: Booking;
  robot: string;
  startsAt: number;
  endsAt: number;
  /** It runs or is to come. */
  ahead: boolean;
  running: boolean;
  status: string;
  tone: Tone;
  /** `4:05 left`, `starts in 12 min`, or nothing. */
  left: string;
}

export function showBooking(booking: Booking, robots: ReadonlyMap<string, Robot>, now: number): ShownBooking {
  const [startsAt, endsAt] = [Date.parse(booking.starts_at), Date.parse(booking.ends_at)];
  const ahead = ['requested', 'confirmed', 'active'].includes(booking.status) && endsAt > now;
  const running = ahead && booking.status !== 'requested' && startsAt <= now;
  const waiting = ahead && !running && startsAt > now;
  const robot = booking.robot_id === null ? undefined : robots.get(booking.robot_id);
  return {
    booking,
    robot: robot?.name ?? booking.robot_type,
    startsAt,
    endsAt,
    ahead,
    running,
    status: running ? 'Running now' : statusInWords(booking.status),
    tone: running ? 'good' : toneOf(booking),
    left: running ? `${countdown(endsAt - now)} left` : waiting ? `starts in ${duration(startsAt - now)}` : '',
  };
}

function toneOf({ status }: Booking): Tone {
  if (status === 'rejected' || status === 'no_show') return 'bad';
  if (status === 'confirmed') return 'mine';
  return status === 'requested' ? 'warn' : 'plain';
}
