import { describe, expect, it } from 'vitest';
import { isOpen, routeOf } from './router.js';
import { availability, slotsOf } from './schedule.js';

describe('the fragment', () => {
  it.each([
    ['', { page: 'robots' }],
    ['#/', { page: 'robots' }],
    ['#/sign-in', { page: 'sign-in' }],
    ['#/redeem/a%2Fb', { page: 'redeem', token: 'a/b' }],
    ['#/redeem', { page: 'redeem', token: null }],
    ['#/watch/0198', { page: 'watch', booking: '0198', robot: null }],
    ['#/watch/0198/turtle', { page: 'watch', booking: '0198', robot: 'turtle' }],
    ['#/calendar', { page: 'calendar', robot: null }],
    ['#/calendar/0198', { page: 'calendar', robot: '0198' }],
    ['#/admin/rules', { page: 'admin-rules' }],
    ['#/admin/users/x', { page: 'unknown' }],
    ['#/watch', { page: 'bookings' }],
    ['#/admin/users', { page: 'admin-users' }],
    ['#/admin/secrets', { page: 'unknown' }],
    ['#/robots/x/y', { page: 'unknown' }],
    ['#/%E0%A4%A', { page: 'unknown' }],
  ])('%s names a page', (fragment, route) => {
    expect(routeOf(fragment)).toEqual(route);
  });

  it('opens two pages to everybody', () => {
    expect(isOpen(routeOf('#/sign-in')) && isOpen(routeOf('#/redeem/t'))).toBe(true);
    expect(isOpen(routeOf('#/robots')) || isOpen(routeOf('#/watch/b'))).toBe(false);
  });
});

describe('what is free', () => {
  const at = (minute: number) => new Date(1_800_000_000_000 + minute * 60_000).toISOString();
  const slot = (from: number, to: number, robot_id = 'r') => ({ robot_id, starts_at: at(from), ends_at: at(to), mine: false });
  const now = Date.parse(at(10));

  it('leaves out what is over and what other robots do', () => {
    expect(slotsOf('r', [slot(0, 10), slot(20, 30, 'other'), slot(40, 50), slot(15, 20)], now)).toHaveLength(2);
  });

  it('is free until the next slot, and a slot is half-open', () => {
    expect(availability([], now)).toMatchObject({ free: true, until: null });
    const next = slotsOf('r', [slot(0, 10), slot(20, 30)], now);
    expect(availability(next, now)).toMatchObject({ free: true, until: Date.parse(at(20)) });
  });

  it('is taken through slots that touch', () => {
    const slots = slotsOf('r', [slot(5, 15), slot(15, 25), slot(30, 40)], now);
    expect(availability(slots, now)).toMatchObject({ free: false, until: Date.parse(at(25)) });
  });
});
