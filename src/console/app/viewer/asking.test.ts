import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Asking } from './asking.js';

const PATIENCE_MS = 1000;
const never = () => new Promise<string>(() => undefined);

describe('asking', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('waits one patience for an answer that does not come, and asks again the next time', async () => {
    const ask = vi.fn(never);
    const asking = new Asking(ask, PATIENCE_MS);
    let got: string | null | undefined;
    void asking.get().then((answer) => (got = answer));
    await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
    expect(got).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(got).toBeNull();
    ask.mockResolvedValue('there');
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(await asking.get()).toBe('there');
  });

  it('asks again at once after a failure, and not after an answer', async () => {
    const ask = vi.fn(never).mockRejectedValueOnce(new Error('away')).mockResolvedValueOnce('there');
    const asking = new Asking(ask, PATIENCE_MS);
    expect(await asking.get()).toBe('there');
    expect(await asking.get()).toBe('there');
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
