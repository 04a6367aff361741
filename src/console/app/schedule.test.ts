import { describe, expect, it } from 'vitest';
import type { Robot } from './api/types.js';
import { availability, slotsOf } from './schedule.js';

const at = (hour: number) => Date.UTC(2027, 5, 1, hour);
const rfc = (hour: number) => new Date(at(hour)).toISOString();
const robot = (next_maintenance: Robot['next_maintenance'] = null): Robot => ({ id: 'a', name: 'A', type: 'turtle', online: true, cameras: [], next_maintenance });
const booked = (from: number, to: number, mine = false) => ({ robot_id: 'a', starts_at: rfc(from), ends_at: rfc(to), mine });
const now = (of: Robot, schedule: ReturnType<typeof booked>[], hour: number) => availability(slotsOf(of, schedule, at(hour)), at(hour));

describe('whether a robot is free', () => {
  it('says until when, by what comes next', () => {
    expect(now(robot(), [], 9)).toEqual({ held: null, until: null });
    expect(now(robot(), [booked(12, 13), booked(10, 11)], 9)).toEqual({ held: null, until: at(10) });
    expect(now(robot({ starts_at: rfc(10), ends_at: rfc(12) }), [booked(12, 13)], 9)).toEqual({ held: null, until: at(10) });
  });

  it('says when it is free again, past what follows without a gap', () => {
    expect(now(robot(), [booked(8, 10), booked(10, 11, true), booked(12, 13)], 9)).toEqual({ held: 'taken', until: at(11) });
    expect(now(robot(), [booked(8, 10, true)], 9).held).toBe('mine');
    expect(now(robot(), [booked(8, 9)], 9).held).toBeNull();
  });

  it('does not depend on what other robots do', () => {
    expect(now(robot(), [{ ...booked(8, 10), robot_id: 'b' }], 9)).toEqual({ held: null, until: null });
  });

  it('is no during maintenance, and nobody knows when it is again until somebody ends it', () => {
    expect(now(robot({ starts_at: rfc(8), ends_at: rfc(10) }), [], 9)).toEqual({ held: 'maintenance', until: at(10) });
    expect(now(robot({ starts_at: rfc(8), ends_at: null }), [], 9)).toEqual({ held: 'maintenance', until: null });
  });
});
