import { describe, expect, it } from 'vitest';
import type { AvailableSlots, Robot } from '../api/types.js';
import { keyed } from './keys.js';
import { closedOn, columnOf, hoursShown, labTimes, lengthsFromNow, objection, targetsOf, within, type LabTimes } from './model.js';

const at = (hour: number, minute = 0) => Date.UTC(2027, 5, 1, hour, minute);
const rfc = (hour: number) => new Date(at(hour)).toISOString();
const robot = (id: string, more: Partial<Robot> = {}): Robot => ({ id, name: id.toUpperCase(), type: 'turtle', online: true, cameras: [], ...more });
const slot = (robot_id: string, from: number, to: number, mine = false, name?: string) => ({
  robot_id,
  starts_at: rfc(from),
  ends_at: rfc(to),
  mine,
  ...(name === undefined ? {} : { name }),
});
const offered: AvailableSlots = {
  date: '2027-06-01',
  robot_type: 'turtle',
  available_slots: [9, 10, 11, 12].map((hour) => ({ starts_at: rfc(hour), ends_at: rfc(hour + 1), robot_ids: ['a', 'b'] })),
  working_hours: { start: '09:00', end: '18:00' },
  max_session_duration: 2,
  min_session_duration: 0.5,
  lead_time: 0,
  days_ahead: 30,
  slot_duration: 1,
  zone: 'UTC',
};
const times: LabTimes = labTimes(offered);

describe('what can be booked', () => {
  it('is each robot, and each type that has several', () => {
    expect(targetsOf([robot('a'), robot('b'), robot('c', { type: 'arm' })]).map(({ key }) => key)).toEqual(['type:turtle', 'robot:a', 'robot:b', 'robot:c']);
  });

  it('is what the lab offers and this robot has free', () => {
    const [, a, b] = targetsOf([robot('a'), robot('b')]);
    const schedule = [slot('a', 9, 10), slot('b', 11, 12, true)];
    const first = columnOf(a!, '2027-06-01', schedule, offered, 'UTC');
    expect(first.free.map(({ startsAt }) => startsAt)).toEqual([at(10), at(11), at(12)]);
    expect(first.blocks).toEqual([{ startsAt: at(9), endsAt: at(10), mine: false, text: 'Taken' }]);
    const second = columnOf(b!, '2027-06-01', schedule, offered, 'UTC');
    expect(second.blocks).toEqual([{ startsAt: at(11), endsAt: at(12), mine: true, text: 'Yours' }]);
  });

  it('of a type is gone when every robot of it is', () => {
    const [any] = targetsOf([robot('a'), robot('b')]);
    const one = columnOf(any!, '2027-06-01', [slot('a', 9, 12), slot('b', 10, 11)], offered, 'UTC');
    expect(one.blocks).toEqual([{ startsAt: at(10), endsAt: at(11), mine: false, text: 'All taken' }]);
  });

  it('names others only where they are told', () => {
    const [a] = targetsOf([robot('a')]);
    expect(columnOf(a!, '2027-06-01', [slot('a', 9, 10, false, 'Vera')], offered, 'UTC').blocks[0]?.text).toBe('Vera');
  });

  it('is not a robot under maintenance', () => {
    const [a] = targetsOf([robot('a', { next_maintenance: { starts_at: rfc(10), ends_at: null } })]);
    const column = columnOf(a!, '2027-06-01', [], offered, 'UTC');
    expect(column.free.map(({ startsAt }) => startsAt)).toEqual([at(9)]);
    const draft = { column: 'robot:a', startsAt: at(11), endsAt: at(12) };
    expect(objection(draft, [column], times, at(8))).toBe('Maintenance, from 10:00 to 00:00. Choose another time.');
    expect(lengthsFromNow([column], times, at(9))).toEqual([30, 60]);
    expect(lengthsFromNow([column], times, at(9, 15))).toEqual([30]);
    expect(lengthsFromNow([column], times, at(10))).toEqual([]);
  });

  it('of a type is gone when each of its robots is booked or under maintenance', () => {
    const [any] = targetsOf([robot('a', { next_maintenance: { starts_at: rfc(9), ends_at: rfc(11) } }), robot('b')]);
    const { blocks } = columnOf(any!, '2027-06-01', [slot('b', 10, 12)], offered, 'UTC');
    expect(blocks).toEqual([{ startsAt: at(10), endsAt: at(11), mine: false, text: 'All taken' }]);
  });

  it('is only what the lab says that this robot has, whatever another of its type has', () => {
    const [, a, b] = targetsOf([robot('a'), robot('b')]);
    const buffered = { ...offered, available_slots: [{ starts_at: rfc(10), ends_at: rfc(11), robot_ids: ['b'] }] };
    const free = (target: typeof a) => columnOf(target!, '2027-06-01', [slot('a', 9, 10)], buffered, 'UTC').free.length;
    expect([free(a), free(b)]).toEqual([0, 1]);
  });
});

describe('a choice', () => {
  const taken = [{ startsAt: at(10), endsAt: at(11), mine: false, text: 'Taken' }];
  const draft = (from: number, to: number) => ({ column: 'robot:a', startsAt: at(from), endsAt: at(to) });

  it('is told what is wrong with it', () => {
    const day = { date: '2027-06-01', blocks: taken, open: times.open };
    const said = (chosen: ReturnType<typeof draft>, now = at(8), rules = times) => objection(chosen, [day], rules, now);
    expect(said(draft(9, 10))).toBeNull();
    expect(said(draft(9, 11))).toBe('Taken, from 10:00 to 11:00. Choose another time.');
    expect(said(draft(9, 10), at(10))).toBe('This time is over. Choose a later one.');
    expect(said(draft(12, 15))).toBe('At most 2 h can be booked at once. Choose a shorter window.');
    expect(said({ ...draft(12, 13), endsAt: at(12, 15) })).toBe('At least 30 min have to be booked. Choose a longer window.');
    expect(said(draft(17, 19))).toBe('The lab is closed then. Choose a time within its hours.');
    expect(said(draft(9, 10), at(8), { ...times, leadMinutes: 120 })).toBe('A window has to be booked 2 h before it begins. Choose a later one.');
    const far = 'Windows can be booked 1 day ahead, which is until Tuesday 1 June. Choose an earlier window.';
    expect(said(draft(9, 10), at(9) - 24 * 3_600_000, { ...times, daysAhead: 1 })).toBeNull();
    expect(said(draft(9, 10), at(9) - 24 * 3_600_000 - 1, { ...times, daysAhead: 1 })).toBe(far);
    expect(objection(draft(9, 10), [{ ...day, blocks: [{ ...taken[0]!, startsAt: at(9), mine: true }] }], times, at(8))).toMatch(/^You have a booking at this time\. Choose/);
  });

  it('stops where something is taken, and begins nowhere inside it', () => {
    expect(within(draft(9, 13), at(9), taken)).toEqual(draft(9, 10));
    expect(within(draft(9, 13), at(12), taken)).toEqual(draft(11, 13));
    expect(within(draft(10, 11), at(10, 30), taken)).toBeNull();
  });

  it('shows the open hours with a little around them', () => {
    expect(hoursShown(times)).toEqual({ from: 480, to: 1140 });
    expect(hoursShown({ ...times, open: null })).toEqual({ from: 0, to: 1440 });
  });

  it('knows which days have other hours', () => {
    const monday = { date: '2026-11-23', open: { from: 360, to: 720 } };
    const [before, after] = closedOn(monday, { ...times, zone: 'UTC' });
    expect(before).toEqual({ startsAt: Date.parse('2026-11-23T00:00Z'), endsAt: Date.parse('2026-11-23T06:00Z') });
    expect(after).toEqual({ startsAt: Date.parse('2026-11-23T12:00Z'), endsAt: Date.parse('2026-11-24T00:00Z') });
    const [target] = targetsOf([robot('a')]);
    const shown = [{ ...monday, target: target!, blocks: [], free: [] }, { date: '2026-11-24', target: target!, blocks: [], free: [] }];
    expect(hoursShown(times, shown)).toEqual({ from: 300, to: 1140 });
    expect(closedOn({ date: '2026-11-24', open: null }, times)).toEqual([]);
  });

  it('shows a day on which the lab is closed as closed, and does not stretch the others for it', () => {
    const [target] = targetsOf([robot('a')]);
    const closed = columnOf(target!, '2026-11-29', [], { ...offered, working_hours: { start: '00:00', end: '00:00' } }, 'UTC');
    const all = { startsAt: Date.parse('2026-11-29T00:00Z'), endsAt: Date.parse('2026-11-30T00:00Z') };
    expect(closedOn(closed, { ...times, zone: 'UTC' })).toEqual([all]);
    expect(hoursShown(times, [closed, { date: '2026-11-30', target: target!, blocks: [], free: [] }])).toEqual({ from: 480, to: 1140 });
    expect(hoursShown(times, [closed])).toEqual({ from: 0, to: 1440 });
    const always = labTimes({ ...offered, working_hours: { start: '00:00', end: '24:00' } });
    expect(closedOn({ date: '2026-11-24' }, { ...always, zone: 'UTC' })).toEqual([]);
  });
});

describe('the keys', () => {
  const [a] = targetsOf([robot('a')]);
  const columns = [columnOf(a!, '2027-06-01', [], offered, 'UTC')];
  const choosing = { columns, times, bounds: { zone: 'UTC', step: 15, longest: 120 }, now: at(9, 30), view: 'week' as const };
  const draft = { column: 'robot:a', startsAt: at(10), endsAt: at(11) };
  const press = (key: string, shiftKey = false, chosen: typeof draft | null = draft) => keyed({ key, shiftKey }, { ...choosing, draft: chosen });

  it('begin with the first free slot that is not over', () => {
    expect(press('ArrowDown', false, null)?.draft).toEqual({ column: 'robot:a', startsAt: at(9), endsAt: at(10) });
  });

  it('move, lengthen, book and drop', () => {
    expect(press('ArrowDown')?.draft).toMatchObject({ startsAt: at(10, 15), endsAt: at(11, 15) });
    expect(press('ArrowDown', true)?.draft).toMatchObject({ startsAt: at(10), endsAt: at(11, 15) });
    expect(press('Enter')).toEqual({ book: true });
    expect(press('Escape')).toEqual({ draft: null });
    expect(press('Tab')).toBeNull();
  });

  it('go on past the days that are shown', () => {
    expect(press('ArrowRight')?.draft).toMatchObject({ startsAt: at(34) });
    expect(press('PageUp')?.draft).toMatchObject({ startsAt: at(-14) });
  });
});
