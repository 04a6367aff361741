import { describe, expect, it } from 'vitest';
import { dayStart } from '../time/zone.js';
import { gaps, instantAt, layOut, place, rowAt } from './geometry.js';

const BERLIN = 'Europe/Berlin';
const utc = (text: string) => Date.parse(`${text}:00Z`);

describe('days beside each other', () => {
  it('have a row for each half hour', () => {
    const grid = layOut(BERLIN, ['2027-06-01', '2027-06-02']);
    expect(grid.rows).toHaveLength(48);
    expect(grid.days[1]?.starts[20]).toBe(utc('2027-06-02T08:00'));
  });

  it('leave out what no day has, and hatch what one day lacks', () => {
    expect(layOut(BERLIN, ['2027-03-28']).rows).toHaveLength(46);
    const week = layOut(BERLIN, ['2027-03-27', '2027-03-28']);
    expect(week.rows).toHaveLength(48);
    expect(gaps(week.days[0]!)).toEqual([]);
    expect(gaps(week.days[1]!)).toEqual([{ top: 4, height: 2 }]);
  });

  it('show an hour twice where the clocks are set back', () => {
    const { rows, days } = layOut(BERLIN, ['2027-10-30', '2027-10-31']);
    expect(rows).toHaveLength(50);
    expect(rows.slice(4, 9)).toEqual([
      { minute: 120, again: false },
      { minute: 150, again: false },
      { minute: 120, again: true },
      { minute: 150, again: true },
      { minute: 180, again: false },
    ]);
    expect(gaps(days[0]!)).toEqual([{ top: 6, height: 2 }]);
    expect(gaps(days[1]!)).toEqual([]);
  });

  it('may be cut to the hours that matter', () => {
    const { rows } = layOut(BERLIN, ['2027-06-01'], 8 * 60, 18 * 60);
    expect([rows[0]?.minute, rows.at(-1)?.minute]).toEqual([480, 1050]);
  });
});

describe('a window', () => {
  const day = layOut(BERLIN, ['2027-06-01']).days[0]!;
  const start = dayStart(BERLIN, '2027-06-01');

  it('lies where its times are', () => {
    expect(place(day, utc('2027-06-01T08:00'), utc('2027-06-01T09:15'))).toEqual({ top: 20, height: 2.5 });
  });

  it('is cut at the ends of the day', () => {
    expect(place(day, start - 3_600_000, start + 3_600_000)).toEqual({ top: 0, height: 2 });
    expect(place(day, start + 23 * 3_600_000, start + 30 * 3_600_000)).toEqual({ top: 46, height: 2 });
    expect(place(day, start - 7_200_000, start)).toBeNull();
  });

  it('over the change of the clocks covers the gap, and both of two hours of one name', () => {
    const spring = layOut(BERLIN, ['2027-03-27', '2027-03-28']).days[1]!;
    expect(place(spring, utc('2027-03-28T00:30'), utc('2027-03-28T01:30'))).toEqual({ top: 3, height: 4 });
    const autumn = layOut(BERLIN, ['2027-10-31']).days[0]!;
    expect(place(autumn, utc('2027-10-31T00:00'), utc('2027-10-31T02:00'))).toEqual({ top: 4, height: 4 });
  });

  it('that begins or ends at the change of the clocks leaves the gap free', () => {
    const [before, spring] = layOut(BERLIN, ['2027-03-27', '2027-03-28']).days;
    expect(place(spring!, utc('2027-03-28T01:00'), utc('2027-03-28T02:00'))).toEqual({ top: 6, height: 2 });
    expect(place(spring!, utc('2027-03-28T00:00'), utc('2027-03-28T01:00'))).toEqual({ top: 2, height: 2 });
    expect(place(before!, utc('2027-03-27T02:00'), utc('2027-03-27T03:00'))).toEqual({ top: 6, height: 2 });
    const beside = layOut(BERLIN, ['2027-10-30', '2027-10-31']).days[0]!;
    expect(place(beside, utc('2027-10-30T01:00'), utc('2027-10-30T02:00'))).toEqual({ top: 8, height: 2 });
  });

  it('is found again from its place', () => {
    for (const at of [start, start + 90 * 60_000, start + 20 * 3_600_000]) expect(instantAt(day, rowAt(day, at))).toBe(at);
    const spring = layOut(BERLIN, ['2027-03-27', '2027-03-28']).days[1]!;
    expect(instantAt(spring, 4.5)).toBeNull();
  });
});
