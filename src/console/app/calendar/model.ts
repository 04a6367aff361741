import type { AvailableSlots, Robot, ScheduledSlot } from '../api/types.js';
import { maintenanceOf } from '../schedule.js';
import { clock, duration, longDay } from '../time/format.js';
import { addDays, dayStart, instantOf } from '../time/zone.js';
import { allTaken, overlaps, type Draft, type Span } from './draft.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What one books: a robot, or any robot of a type. */
export interface Target {
  /** `robot:ID` or `type:TYPE`. */
  key: string;
  name: string;
  type: string;
  robots: readonly string[];
  /** When its robots are or will be under maintenance; `endsAt` is infinite until somebody ends it. */
  maintenance: readonly Span[];
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
  shortestMinutes: number;
  longestMinutes: number;
  /** How long before its start a window has to be booked; with 0, until its end. */
  leadMinutes: number;
  /** How many days of 24 hours before its start a window can be booked at the earliest. */
  daysAhead: number;
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
        maintenance: members.flatMap(maintenanceOf),
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
  const blocks = [
    ...concerning.filter(({ mine }) => mine).map((slot) => block(slot, true, 'Yours')),
    ...others.map((slot) => block(slot, false, slot.name ?? 'Taken')),
    ...(single ? maintained(target, from, to) : taken(target, concerning, from, to)),
  ].sort((a, b) => a.startsAt - b.startsAt);
  const free = (offered?.available_slots ?? [])
    .filter(({ robot_ids }) => robot_ids.some((id) => target.robots.includes(id)))
    .map(({ starts_at, ends_at }) => ({ startsAt: Date.parse(starts_at), endsAt: Date.parse(ends_at) }))
    .filter((slot) => !blocks.some((other) => overlaps(slot, other)));
  return { target, date, blocks, free, ...(offered === undefined ? {} : { open: openOf(offered) }) };
}

export function labTimes(slots: AvailableSlots): LabTimes {
  return {
    zone: slots.zone,
    slotMinutes: minutes(slots.slot_duration, 1),
    shortestMinutes: minutes(slots.min_session_duration, 1),
    longestMinutes: minutes(slots.max_session_duration, 1),
    leadMinutes: minutes(slots.lead_time, 0),
    daysAhead: slots.days_ahead,
    open: openOf(slots),
  };
}

function minutes(hours: number, least: number): number {
  return Math.max(least, Math.round(hours * 60));
}

function openOf({ working_hours: { start, end } }: AvailableSlots): LabTimes['open'] {
  const minute = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
  return { from: minute(start), to: minute(end) };
}

/** Why a choice cannot be booked as things are known of its days here, and what to do; null when it can be tried. */
export function objection(draft: Draft, days: readonly Pick<Column, 'date' | 'open' | 'blocks'>[], times: LabTimes, now: number): string | null {
  const other = days.flatMap(({ blocks }) => blocks).find((block) => overlaps(block, draft));
  if (draft.endsAt <= now) return 'This time is over. Choose a later one.';
  if (other?.mine === true) return 'You have a booking at this time. Choose another time, or cancel that booking first.';
  if (other !== undefined) return `${other.text}, ${hoursOf(other, times)}. Choose another time.`;
  if (days.some((day) => day.open !== undefined && closedOn(day, times).some((closed) => overlaps(closed, draft)))) {
    return 'The lab is closed then. Choose a time within its hours.';
  }
  if (draft.startsAt > lastStart(times, now)) return `${horizonInWords(times, now)} Choose an earlier window.`;
  return lengthObjection(draft, times, now);
}

/** The latest start that can be booked now. */
export function lastStart({ daysAhead }: LabTimes, now: number): number {
  return now + daysAhead * DAY_MS;
}

/** How far ahead windows can be booked. */
export function horizonInWords(times: LabTimes, now: number): string {
  const last = longDay(lastStart(times, now), now, times.zone);
  return `Windows can be booked ${times.daysAhead} day${times.daysAhead === 1 ? '' : 's'} ahead, which is until ${last}.`;
}

function lengthObjection({ startsAt, endsAt }: Draft, { shortestMinutes, longestMinutes, leadMinutes }: LabTimes, now: number): string | null {
  const said = (minutes: number) => duration(minutes * MINUTE_MS);
  const length = (endsAt - startsAt) / MINUTE_MS;
  if (length > longestMinutes) return `At most ${said(longestMinutes)} can be booked at once. Choose a shorter window.`;
  if (length < shortestMinutes) return `At least ${said(shortestMinutes)} have to be booked. Choose a longer window.`;
  if (leadMinutes > 0 && startsAt < now + leadMinutes * MINUTE_MS) return `A window has to be booked ${said(leadMinutes)} before it begins. Choose a later one.`;
  return null;
}

function hoursOf({ startsAt, endsAt }: Span, { zone }: LabTimes): string {
  return `from ${clock(startsAt, zone)} to ${clock(endsAt, zone)}`;
}

/** Lengths that are offered for a start right now, in minutes. */
const FROM_NOW = [15, 30, 60];

/** How long, in minutes, what these columns of today show can be had from now; none where it cannot. */
export function lengthsFromNow(days: readonly Column[], times: LabTimes, now: number): number[] {
  const usual = FROM_NOW.filter((minutes) => minutes >= times.shortestMinutes);
  const column = days[0]?.target.key ?? '';
  const lasting = (minutes: number): Draft => ({ column, startsAt: now, endsAt: now + minutes * MINUTE_MS });
  return (usual.length === 0 ? [times.shortestMinutes] : usual).filter((minutes) => objection(lasting(minutes), days, times, now) === null);
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

/** The parts of a robot's maintenance that are on this day. */
function maintained({ maintenance }: Target, from: number, to: number): Block[] {
  return maintenance
    .filter((span) => overlaps(span, { startsAt: from, endsAt: to }))
    .map((span) => block({ startsAt: Math.max(from, span.startsAt), endsAt: Math.min(to, span.endsAt) }, false, 'Maintenance'));
}

/** When every robot of a type is booked or under maintenance. */
function taken(target: Target, booked: readonly Span[], from: number, to: number): Block[] {
  return allTaken([...booked, ...maintained(target, from, to)], target.robots.length).map((span) => block(span, false, 'All taken'));
}

function block({ startsAt, endsAt }: Span, mine: boolean, text: string): Block {
  return { startsAt, endsAt, mine, text };
}
