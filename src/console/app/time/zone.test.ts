import { describe, expect, it } from 'vitest';
import { addDays, agree, daysBetween, dayStart, instantOf, instants, isZone, localTime } from './zone.js';

const HOUR = 3_600_000;
const hours = (zone: string, date: string) => (dayStart(zone, addDays(date, 1)) - dayStart(zone, date)) / HOUR;

describe('days of a zone', () => {
  it('have 23, 24, 24.5 or 25 hours', () => {
    expect(hours('Europe/Berlin', '2027-03-28')).toBe(23);
    expect(hours('Europe/Berlin', '2027-06-01')).toBe(24);
    expect(hours('Europe/Berlin', '2027-10-31')).toBe(25);
    expect(hours('Australia/Lord_Howe', '2027-04-04')).toBe(24.5);
    expect(hours('UTC', '2027-03-28')).toBe(24);
  });

  it('may begin at one, where the clocks are set forward over midnight', () => {
    const start = dayStart('Africa/Cairo', '2026-04-24');
    expect(localTime('Africa/Cairo', start)).toEqual({ date: '2026-04-24', minute: 60 });
    expect(localTime('Africa/Cairo', start - 1).date).toBe('2026-04-23');
  });
});

describe('local times', () => {
  it('exist once, twice, or not at all', () => {
    expect(instants('Europe/Berlin', '2027-06-01', 600)).toEqual([Date.parse('2027-06-01T08:00:00Z')]);
    expect(instants('Europe/Berlin', '2027-03-28', 150)).toEqual([]);
    expect(instants('Europe/Berlin', '2027-10-31', 150)).toEqual([
      Date.parse('2027-10-31T00:30:00Z'),
      Date.parse('2027-10-31T01:30:00Z'),
    ]);
  });

  it('in a gap are moved past it', () => {
    expect(instantOf('Europe/Berlin', '2027-03-28', 150)).toBe(Date.parse('2027-03-28T01:30:00Z'));
  });

  it('are read back as they were written', () => {
    const at = instantOf('America/St_Johns', '2027-01-05', 23 * 60 + 30);
    expect(localTime('America/St_Johns', at)).toEqual({ date: '2027-01-05', minute: 23 * 60 + 30 });
  });
});

describe('zones', () => {
  it('agree when their clocks show the same', () => {
    const winter = Date.parse('2027-01-05T12:00:00Z');
    expect(agree('Europe/London', 'UTC', winter)).toBe(true);
    expect(agree('Europe/London', 'UTC', winter + 180 * 24 * HOUR)).toBe(false);
  });

  it('that nobody knows are told apart', () => {
    expect(isZone('Europe/Berlin')).toBe(true);
    expect(isZone('Mars/Olympus')).toBe(false);
  });

  it('share one way of counting days', () => {
    expect(addDays('2026-12-31', 1)).toBe('2027-01-01');
    expect(daysBetween('2026-12-31', '2027-01-02')).toBe(2);
    expect(daysBetween('2027-01-02', '2026-12-31')).toBe(-2);
  });
});
