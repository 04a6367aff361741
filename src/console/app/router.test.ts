import { describe, expect, it } from 'vitest';
import { isOpen, routeOf } from './router.js';

describe('the fragment', () => {
  it.each([
    ['', { page: 'robots' }],
    ['#/', { page: 'robots' }],
    ['#/sign-in', { page: 'sign-in' }],
    ['#/register', { page: 'register' }],
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

  it('opens three pages to everybody', () => {
    expect(isOpen(routeOf('#/sign-in')) && isOpen(routeOf('#/register')) && isOpen(routeOf('#/redeem/t'))).toBe(true);
    expect(isOpen(routeOf('#/robots')) || isOpen(routeOf('#/watch/b'))).toBe(false);
  });
});
