import { Client } from './api/client.js';
import { Session } from './session.js';
import { ServerClock } from './time/server-clock.js';

/** What every page of the console works with; there is one of each in a tab. */
export const session = new Session();
export const clock = new ServerClock();
export const api = new Client({ token: session.token, onBadToken: () => session.end('expired') });

/** Whether whoever is signed in may book: auditors only read. */
export function mayBook(): boolean {
  return session.current?.user.role !== 'auditor';
}

/** Reads the server's time once more. Best effort: a countdown goes on with what was known. */
export async function readClock(): Promise<void> {
  const sentAt = clock.mark();
  const health = await api.health().catch(() => null);
  if (health !== null) clock.read(health.timestamp, sentAt);
}
