import { describe, expect, it } from 'vitest';
import { countdown, day, duration, leftMs, longDay, shortDay } from './format.js';
import { ServerClock } from './server-clock.js';

describe('the countdown', () => {
  it('shows 0:00 only when it is over', () => {
    expect(countdown(0)).toBe('0:00');
    expect(countdown(1)).toBe('0:01');
    expect(countdown(59_001)).toBe('1:00');
    expect(countdown(245_000)).toBe('4:05');
    expect(countdown(3_723_000)).toBe('1:02:03');
    expect(countdown(-5)).toBe('0:00');
  });

  it('never runs below zero', () => {
    expect(leftMs(1000, 5000)).toBe(0);
    expect(leftMs(5000, 1000)).toBe(4000);
  });
});

describe('a duration', () => {
  it('is said as people say it', () => {
    expect(duration(40_000)).toBe('40 s');
    expect(duration(720_000)).toBe('12 min');
    expect(duration(3_600_000)).toBe('1 h');
    expect(duration(3_900_000)).toBe('1 h 5 min');
    expect(duration(3 * 86_400_000)).toBe('3 days');
  });
});

describe('a day', () => {
  it('is named as seen from now, whatever the hour', () => {
    const evening = new Date(2027, 0, 15, 23, 30).getTime();
    expect(day(new Date(2027, 0, 15, 0, 5).getTime(), evening)).toBe('today');
    expect(day(new Date(2027, 0, 16, 0, 5).getTime(), evening)).toBe('tomorrow');
  });

  it('has its year where that is another', () => {
    const now = Date.UTC(2026, 11, 20, 12);
    const [within, beyond] = [Date.UTC(2026, 11, 31, 23, 30), Date.UTC(2027, 0, 3, 12)];
    expect([longDay(within, now, 'UTC'), longDay(beyond, now, 'UTC')]).toEqual(['Thursday 31 December', 'Sunday 3 January 2027']);
    expect([shortDay(within, now, 'UTC'), shortDay(beyond, now, 'UTC')]).toEqual(['Thu 31 Dec', 'Sun 3 Jan 2027']);
    expect(day(beyond, now, 'UTC')).toBe('Sun, 3 Jan 2027');
    // By the calendar of the zone, not by UTC's.
    expect(shortDay(within, now, 'Europe/Berlin')).toBe('Fri 1 Jan 2027');
  });
});

describe("the server's clock", () => {
  const at = (ms: number) => new Date(1_800_000_000_000 + ms).toISOString();

  it('is taken from the middle between request and reply', () => {
    let here = 1000;
    const clock = new ServerClock(() => here);
    expect(clock.isSet).toBe(false);
    here = 1100;
    clock.read(at(0), 1000);
    expect(clock.now()).toBe(1_800_000_000_050);
    expect(clock.uncertaintyMs).toBe(50);
    here = 1600;
    expect(clock.now()).toBe(1_800_000_000_550);
  });

  it('believes the narrowest reading, until that is old', () => {
    let here = 10;
    const clock = new ServerClock(() => here);
    clock.read(at(0), 0);
    here = 1000;
    clock.read(at(5000), 100);
    expect(clock.now()).toBe(1_800_000_000_995);
    here = 100_000;
    clock.read(at(200_000), 99_000);
    expect(clock.now()).toBe(1_800_000_200_500);
  });

  it('passes over what is not a time', () => {
    const clock = new ServerClock(() => 0);
    clock.read('soon', 0);
    expect(clock.isSet).toBe(false);
  });
});
