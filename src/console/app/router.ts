/** A page behind the fragment, and what its address says beyond its name. */
export type Route =
  | { page: 'sign-in' }
  | { page: 'register' }
  | { page: 'redeem'; token: string | null }
  | { page: 'robots' }
  | { page: 'calendar'; robot: string | null }
  | { page: 'bookings' }
  | { page: 'account' }
  | { page: 'watch'; booking: string; robot: string | null }
  | { page: 'admin-robots' }
  | { page: 'admin-users' }
  | { page: 'admin-bookings' }
  | { page: 'admin-rules' }
  | { page: 'unknown' };

/** Reads `#/robots`, `#/watch/ID` and so on; the empty fragment is the list of robots. */
export function routeOf(fragment: string): Route {
  const [first = '', second = '', third = '', ...rest] = parts(fragment);
  if (rest.length > 0 || (third !== '' && first !== 'watch')) return { page: 'unknown' };
  switch (first) {
    case '':
      return { page: 'robots' };
    case 'redeem':
      return { page: 'redeem', token: second === '' ? null : second };
    case 'watch':
      // An administrator's look into a room names its robot, since there is no booking to ask.
      return second === '' ? { page: 'bookings' } : { page: 'watch', booking: second, robot: third === '' ? null : third };
    case 'calendar':
      return { page: 'calendar', robot: second === '' ? null : second };
    case 'admin':
      switch (second) {
        case 'robots':
        case 'users':
        case 'bookings':
        case 'rules':
          return { page: `admin-${second}` };
        default:
          return { page: 'unknown' };
      }
    case 'sign-in':
    case 'register':
    case 'robots':
    case 'bookings':
    case 'account':
      return second === '' ? { page: first } : { page: 'unknown' };
    default:
      return { page: 'unknown' };
  }
}

/** Pages that nobody need be signed in for. */
export function isOpen(route: Route): boolean {
  return route.page === 'sign-in' || route.page === 'register' || route.page === 'redeem';
}

export function isForAdmins(route: Route): boolean {
  return route.page.startsWith('admin-');
}

/** The title of a page, in the tab as in its heading. */
export const TITLES: Record<Route['page'], string> = {
  'sign-in': 'Sign in',
  register: 'Create an account',
  redeem: 'Set your password',
  robots: 'Robots',
  calendar: 'Calendar',
  bookings: 'My bookings',
  account: 'Your account',
  watch: 'Watch',
  'admin-robots': 'Fleet',
  'admin-users': 'People',
  'admin-bookings': 'Sessions',
  'admin-rules': "The lab's rules",
  unknown: 'Not found',
};

function parts(fragment: string): string[] {
  return fragment
    .replace(/^#\/?/, '')
    .split('/')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}
