import type { User } from './api/types.js';

/** Who is signed in on this tab. */
export interface SignIn {
  token: string;
  user: User;
}

const KEY = 'curfew.sign-in';

/**
 * The sign-in of this tab: in memory, and in the tab's session storage so that a reload keeps it. It is in no address, no
 * cookie and no other tab.
 */
export class Session extends EventTarget {
  #current: SignIn | null = restore();
  #expired = false;

  get current(): SignIn | null {
    return this.#current;
  }

  /** It ended because the server no longer took the token, and not because somebody signed out. */
  get hasExpired(): boolean {
    return this.#expired;
  }

  token = (): string | null => this.#current?.token ?? null;

  begin(signIn: SignIn): void {
    this.#current = signIn;
    this.#expired = false;
    quietly(() => sessionStorage.setItem(KEY, JSON.stringify(signIn)));
    this.dispatchEvent(new Event('change'));
  }

  end(how: 'left' | 'expired' = 'left'): void {
    if (how === 'left' || this.#current !== null) this.#expired = how === 'expired';
    this.#current = null;
    quietly(() => sessionStorage.removeItem(KEY));
    this.dispatchEvent(new Event('change'));
  }
}

function restore(): SignIn | null {
  return (
    quietly(() => {
      const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as SignIn | null;
      return typeof kept?.token === 'string' && typeof kept.user?.id === 'string' ? kept : null;
    }) ?? null
  );
}

/** Storage may be switched off or hold nonsense; then a reload simply asks to sign in again. */
function quietly<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}
