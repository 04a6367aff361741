import { NEXT } from './api/problem.js';
import type { Booking, BookingStatus, Role } from './api/types.js';

/** Why a session ended, as a sentence about it. Causes are the domain's, snake case. */
const CAUSES: Record<string, string> = {
  window_closed: 'The booked time is over.',
  cancelled: 'The booking was cancelled.',
  terminated_by_admin: 'An administrator ended this session.',
  account_suspended: 'The account was suspended.',
  credential_revoked: "The robot's credential was revoked.",
  maintenance: 'The robot went into maintenance.',
  robot_lost: 'The robot was not there, or was lost and did not come back.',
  participant_left: 'You left the session.',
  server_stopped: 'The server stopped during the session.',
  replaced: 'This session was taken over by another connection.',
};

/** @param role what whoever reads it was in the session, where that is known; administrators are in watches only */
export function causeInWords(cause: string, role: string | null = null): string {
  if (cause === 'cancelled' && role === 'guest') return 'The booking was cancelled, or your invitation was taken back.';
  if (cause === 'window_closed' && role === 'admin') return 'The time of this watch is over.';
  return CAUSES[cause] ?? `The session ended (${cause.replaceAll('_', ' ')}).`;
}

const AFTER_END: Record<string, string> = {
  window_closed: 'Book again if you need more time.',
  cancelled: 'Book again when you need the robot.',
  terminated_by_admin: "Ask the lab's administrators before you book again.",
  account_suspended: "Ask the lab's administrators to reinstate it.",
  credential_revoked: 'Book another robot, or this one when it is back.',
  maintenance: 'Book another robot, or this one for later.',
  robot_lost: 'Book another robot, or this one when it is back online.',
  participant_left: 'While the window lasts you can come back from My bookings.',
  server_stopped: 'Book again; if the window is not over yet, open it from My bookings.',
  replaced: 'It goes on where it was opened last. Reload this page to take it back here.',
};

/** What to do after a session ended for this cause. */
export function nextInWords(cause: string, role: string | null = null): string {
  if (cause === 'cancelled' && role === 'guest') return 'Ask whoever invited you, or book a time of your own.';
  if (role === 'admin' && cause !== 'replaced') return 'Under Fleet you see how the robot is, and can watch it again.';
  return AFTER_END[cause] ?? 'See My bookings for what is still yours.';
}

/** Where somebody who wanted to watch needs other words than somebody who asked for something else. */
const AFTER_REFUSAL: Readonly<Record<string, string>> = {
  not_your_booking: 'Ask its holder to invite you, or book a time of your own.',
  room_full: 'Wait until somebody leaves, then reload this page.',
  not_found: 'Look for it under My bookings.',
  reason_required: 'Administrators open a watch under Fleet, with a reason.',
};

/** What to do when a session could not be entered. */
export function refusalNextInWords(code: string): string {
  return AFTER_REFUSAL[code] ?? NEXT[code] ?? 'See My bookings for what is yours to watch.';
}

/** What a role may do. */
export const ROLES: Record<Role, string> = {
  viewer: 'Viewer: books and watches',
  admin: 'Admin: everything',
  auditor: 'Auditor: reads the log',
};

const STATUSES: Record<BookingStatus, string> = {
  requested: 'Being decided',
  confirmed: 'Confirmed',
  active: 'Running now',
  ended: 'Ended',
  rejected: 'Rejected',
  cancelled: 'Cancelled',
  no_show: 'Not used',
};

export function statusInWords(status: BookingStatus): string {
  return STATUSES[status] ?? status;
}

const REJECTIONS: Record<string, string> = {
  slot_taken: 'The robot was taken at that time.',
  account_busy: 'You had another booking at that time.',
  outside_rules: "The lab's rules did not allow it.",
  suspended: 'The account was suspended.',
};

/** What became of a booking and why, as a sentence; empty where its status says it all. */
export function becameInWords({ status, cause, rejected }: Pick<Booking, 'status' | 'cause' | 'rejected'>): string {
  if (status === 'rejected') return REJECTIONS[rejected ?? ''] ?? '';
  if (status === 'no_show') return 'Nobody came, so the time was given back.';
  const expected = (status === 'ended' && cause === 'window_closed') || (status === 'cancelled' && cause === 'cancelled');
  return expected || !cause ? '' : causeInWords(cause);
}

/** A warning before the end. */
export function warningInWords(secondsLeft: number): string {
  if (secondsLeft >= 120) return `${Math.round(secondsLeft / 60)} minutes left`;
  if (secondsLeft >= 60) return '1 minute left';
  return `${secondsLeft} seconds left`;
}
