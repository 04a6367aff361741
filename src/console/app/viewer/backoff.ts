/** The longest pause between two attempts: a window runs while nobody sees it. */
export const LONGEST_MS = 1000;

/**
 * How long to wait before attempt number `attempt` (from 0): at once, then doubling from 100 ms up to a second, with up to
 * half taken off at random so that many viewers of a restarted server do not come back as one.
 *
 * @param random in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  if (attempt <= 0) return 0;
  const full = Math.min(LONGEST_MS, 100 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(full * (1 - random / 2));
}
