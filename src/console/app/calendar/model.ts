import type { AvailableSlots, Robot, ScheduledSlot } from '../api/types.js';
import { clock } from '../time/format.js';
import { addDays, dayStart, instantOf } from '../time/zone.js';
import { allTaken, overlaps, type Draft, type Span } from './draft.js';

/** What one books: a robot, or any robot of a type. */
export interface Target {
  /** `robot:ID` or `type:TYPE`. */
  key: string;
  name: string;
  type: string;
  robots: readonly string[];
  /** When the robot is or will be under maintenance; `endsAt` is infinite until somebody ends it. */
  maintenance: Span | null;
}

export interface Block extends Span {
  mine: boolean;
  text: string;
}

/** What is known of one target on one day. */
export interface Column {
  target: Target;
  date: string;
  /** Where it cannot be had, and what of that is one's own; in order. */
  blocks: Block[];
  /** The slots that the lab offers and that are free. */
  free: Span[];
  /** When the lab is open on this day; absent while that is not known. */
  open?: LabTimes['open'];
}

/** What the lab's rules say about choosing, as far as everybody may know them. */
export interface LabTimes {
  zone: string;
  slotMinutes: number;
  longestMinutes: number;
  /** Minutes of the day, the same twice where it is closed; null where the lab never closes. */
  open: { from: number; to: number } | null;
}

/** The targets there are: each robot, and each type that has more than one. */
export function targetsOf(robots: readonly Robot[]): Target[] {
  const types = [...new Set(robots.map(({ type }) => type))];
  const groups = types.map((type) => ({ type, members: robots.filter((robot) => robot.type === type) }));
  return [
    ...groups
      .filter(({ members }) => members.length > 1)
      .map(({ type, members }) => ({
        key: `type:${type}`,
        name: `Any ${type}`,
        type,
        robots: members.map(({ id }) => id),
        maintenance: null,
      })),
    ...robots.map((robot) => ({
      key: `robot:${robot.id}`,
      name: robot.name,
      type: robot.type,
      robots: [robot.id],
      maintenance: maintenanceOf(robot),
    })),
  ];
}

export function columnOf(
  target: Target,
  date: string,
  schedule: readonly ScheduledSlot[],
  offered: AvailableSlots | undefined,
  zone: string,
): Column {
  const [from, to] = [dayStart(zone, date), dayStart(zone, addDays(date, 1))];
  const concerning = schedule
    .filter(({ robot_id }) => target.robots.includes(robot_id))
    .map((slot) => ({ ...slot, startsAt: Date.parse(slot.starts_at), endsAt: Date.parse(slot.ends_at) }))
    .filter((slot) => overlaps(slot, { startsAt: from, endsAt: to }));
  const single = target.robots.length === 1;
  const others = concerning.filter(({ mine }) => single && !mine);
  const taken = [
    ...concerning.filter(({ mine }) => mine).map((slot) => block(slot, true, 'Yours')),
    ...others.map((slot) => block(slot, false, slot.name ?? 'Taken')),
    ...maintained(target, from, to),
    ...(single ? [] : allTaken(concerning, target.robots.length).map((span) => block(span, false, 'All taken'))),
  ].sort((a, b) => a.startsAt - b.startsAt);
  const free = (offered?.available_slots ?? [])
    .map(({ starts_at, ends_at }) => ({ startsAt: Date.parse(starts_at), endsAt: Date.parse(ends_at) }))
    .filter((slot) => !taken.some((other) => overlaps(slot, other)));
  return { target, date, blocks: taken, free, ...(offered === undefined ? {} : { open: openOf(offered) }) };
}

export function labTimes(slots: AvailableSlots): LabTimes {
  return {
    zone: slots.zone,
    slotMinutes: Math.max(1, Math.round(slots.slot_duration * 60)),
    longestMinutes: Math.max(1, Math.round(slots.max_session_duration * 60)),
    open: openOf(slots),
  };
}

function openOf({ working_hours: { start, end } }: AvailableSlots): LabTimes['open'] {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
  return { from: minutes(start), to: minutes(end) };
}

/** Why a choice cannot be booked as things are known here; null when it can be tried. */
export function objection(draft: Draft, blocks: readonly Block[], times: LabTimes, now: number): string | null {
  if (draft.endsAt <= now) return 'This time is over.';
  const other = blocks.find((block) => overlaps(block, draft));
  if (other !== undefined) {
    const hours = `from ${clock(other.startsAt, times.zone)} to ${clock(other.endsAt, times.zone)}`;
    return other.mine ? 'You have a booking at this time.' : `${other.text}, ${hours}.`;
  }
  if (draft.endsAt - draft.startsAt > times.longestMinutes * 60_000) return `At most ${times.longestMinutes} minutes can be booked at once.`;
  return null;
}

/** Keeps a drag from `anchor` within the free stretch around it; null where there is none. */
export function within(draft: Draft, anchor: number, blocks: readonly Block[]): Draft | null {
  if (blocks.some(({ startsAt, endsAt }) => startsAt <= anchor && anchor < endsAt)) return null;
  const before = Math.max(...blocks.map(({ endsAt }) => (endsAt <= anchor ? endsAt : -Infinity)), -Infinity);
  const after = Math.min(...blocks.map(({ startsAt }) => (startsAt > anchor ? startsAt : Infinity)), Infinity);
  return { ...draft, startsAt: Math.max(draft.startsAt, before), endsAt: Math.min(draft.endsAt, after) };
}

/** The hours worth showing: the open ones of the days that are shown, with a little around them. */
export function hoursShown(times: LabTimes, columns: readonly Column[] = []): { from: number; to: number } {
  const days = columns.length === 0 ? [times.open] : columns.map((column) => openOn(column, times));
  const open = days.filter((hours) => hours !== null).filter(({ from, to }) => from < to);
  if (open.length === 0 || days.includes(null)) return { from: 0, to: 1440 };
  const hour = (minute: number) => Math.floor(minute / 60) * 60;
  const from = Math.min(...open.map((hours) => hours.from));
  const to = Math.max(...open.map((hours) => hours.to));
  return { from: Math.max(0, hour(from - 1)), to: Math.min(1440, hour(to + 119)) };
}

/** A day's own hours where they are known, else the usual ones. */
function openOn({ open }: Pick<Column, 'open'>, times: LabTimes): LabTimes['open'] {
  return open === undefined ? times.open : open;
}

/** The stretches of a day on which the lab is closed. */
export function closedOn(column: Pick<Column, 'date' | 'open'>, times: LabTimes): Span[] {
  const { date } = column;
  const open = openOn(column, times);
  if (open === null) return [];
  const [from, to] = [dayStart(times.zone, date), dayStart(times.zone, addDays(date, 1))];
  const opens = instantOf(times.zone, date, open.from);
  const closes = open.to === 1440 ? to : instantOf(times.zone, date, open.to);
  return [
    { startsAt: from, endsAt: opens },
    { startsAt: closes, endsAt: to },
  ].filter(({ startsAt, endsAt }) => endsAt > startsAt);
}

function maintenanceOf({ next_maintenance: span }: Robot): Span | null {
  if (span === undefined || span === null) return null;
  return { startsAt: Date.parse(span.starts_at), endsAt: span.ends_at === null ? Infinity : Date.parse(span.ends_at) };
}

/** The part of a target's maintenance that is on this day. */
function maintained({ maintenance }: Target, from: number, to: number): Block[] {
  if (maintenance === null || !overlaps(maintenance, { startsAt: from, endsAt: to })) return [];
  const day = { startsAt: Math.max(from, maintenance.startsAt), endsAt: Math.min(to, maintenance.endsAt) };
  return [block(day, false, 'Maintenance')];
}

function block({ startsAt, endsAt }: Span, mine: boolean, text: string): Block {
  return { startsAt, endsAt, mine, text };
}
