import { describe, expect, it } from 'vitest';
import { allTaken, draftOf, dragged, fieldsOf, lengthened, moved, movedDays, overlaps, stepOf, type Bounds, type Draft } from './draft.js';

const MINUTE = 60_000;
const bounds: Bounds = { zone: 'Europe/Berlin', step: 15, longest: 120 };
const utc = (text: string) => Date.parse(`${text}Z`);
const at = (minute: number) => utc('2027-06-01T08:00:00') + minute * MINUTE;

describe('choosing a window', () => {
  it('goes in steps that fit the slots', () => {
    expect([60, 45, 20, 25, 7].map(stepOf)).toEqual([15, 15, 10, 5, 1]);
  });

  it('takes in each step that the pointer touched, in both directions', () => {
    expect(dragged('r', at(2), at(2), bounds)).toEqual({ column: 'r', startsAt: at(0), endsAt: at(15) });
    expect(dragged('r', at(2), at(44), bounds)).toEqual({ column: 'r', startsAt: at(0), endsAt: at(45) });
    expect(dragged('r', at(44), at(2), bounds)).toEqual({ column: 'r', startsAt: at(0), endsAt: at(45) });
  });

  it('stays within the longest length from where it began', () => {
    expect(dragged('r', at(0), at(500), bounds).endsAt).toBe(at(120));
    expect(dragged('r', at(0), at(-500), bounds)).toMatchObject({ startsAt: at(15 - 120), endsAt: at(15) });
  });

  const draft = { column: 'r', startsAt: at(0), endsAt: at(60) };

  it('moves and changes length by keys', () => {
    expect(moved(draft, -2, bounds)).toMatchObject({ startsAt: at(-30), endsAt: at(30) });
    expect(lengthened(draft, 1, bounds).endsAt).toBe(at(75));
    expect(lengthened(draft, -9, bounds).endsAt).toBe(at(15));
    expect(lengthened(draft, 99, bounds).endsAt).toBe(at(120));
  });

  it('keeps the time of the day over a change of the clocks', () => {
    const before = { column: 'r', startsAt: utc('2027-03-27T09:00:00'), endsAt: utc('2027-03-27T10:00:00') };
    expect(movedDays(before, 1, bounds)).toMatchObject({
      startsAt: utc('2027-03-28T08:00:00'),
      endsAt: utc('2027-03-28T09:00:00'),
    });
  });
});

describe('windows', () => {
  it('that touch do not overlap', () => {
    expect(overlaps({ startsAt: 0, endsAt: 5 }, { startsAt: 5, endsAt: 9 })).toBe(false);
    expect(overlaps({ startsAt: 0, endsAt: 6 }, { startsAt: 5, endsAt: 9 })).toBe(true);
  });

  it('take all robots of a type where as many run as there are', () => {
    const windows = [
      { startsAt: 0, endsAt: 10 },
      { startsAt: 5, endsAt: 20 },
      { startsAt: 10, endsAt: 12 },
    ];
    expect(allTaken(windows, 2)).toEqual([
      { startsAt: 5, endsAt: 10 },
      { startsAt: 10, endsAt: 12 },
    ]);
    expect(allTaken(windows, 3)).toEqual([]);
    expect(allTaken([], 1)).toEqual([]);
  });
});

describe('a choice by fields', () => {
  const zone = 'Europe/Berlin';
  const draft: Draft = { column: 'r', startsAt: at(0), endsAt: at(60) };
  const changed = (fields: Partial<ReturnType<typeof fieldsOf>>, before = draft) => draftOf({ ...fieldsOf(before, zone), ...fields }, before, zone);

  it('is what they say', () => {
    expect(fieldsOf(draft, zone)).toEqual({ column: 'r', date: '2027-06-01', from: '10:00', until: '11:00' });
    expect(changed({})).toEqual(draft);
    expect(changed({ column: 'other' })).toEqual({ ...draft, column: 'other' });
    expect(changed({ until: '11:30' })).toEqual({ ...draft, endsAt: at(90) });
  });

  it('keeps its length when it begins at another time or on another day', () => {
    expect(changed({ from: '14:00' })).toEqual({ ...draft, startsAt: at(240), endsAt: at(300) });
    expect(changed({ date: '2027-06-02' })).toEqual({ ...draft, startsAt: at(1440), endsAt: at(1500) });
  });

  it('goes over midnight where it ends before it begins', () => {
    expect(changed({ until: '09:30' }).endsAt).toBe(at(24 * 60 - 30));
  });

  it('stays in the hour that is meant when one is shown twice', () => {
    const again: Draft = { column: 'r', startsAt: utc('2027-10-31T01:00:00'), endsAt: utc('2027-10-31T02:00:00') };
    expect(fieldsOf(again, zone)).toMatchObject({ from: '02:00', until: '03:00' });
    expect(changed({ column: 'other' }, again)).toEqual({ ...again, column: 'other' });
    expect(changed({ until: '02:30' }, again)).toEqual({ ...again, endsAt: utc('2027-10-31T01:30:00') });
  });

  it('is after the gap where clocks are set forward over it', () => {
    expect(changed({ date: '2027-03-28', from: '02:30' })).toMatchObject({
      startsAt: utc('2027-03-28T01:30:00'),
      endsAt: utc('2027-03-28T02:30:00'),
    });
  });
});
