/** Something that is asked for at once, and again each time that it is needed while no answer came. */
export class Asking<T> {
  #answer: Promise<T | null>;

  /** @param patienceMs how long an answer is waited for, so that a slow one holds up nothing else */
  constructor(
    private readonly ask: () => Promise<T>,
    private readonly patienceMs: number,
  ) {
    this.#answer = this.#inTime();
  }

  /** The answer; null where it took too long or failed. One patience at most, whatever became of the asking before. */
  get(): Promise<T | null> {
    return Promise.race([this.#again(), this.#late()]);
  }

  async #again(): Promise<T | null> {
    const answer = await this.#answer;
    if (answer !== null) return answer;
    this.#answer = this.#inTime();
    return this.#answer;
  }

  #inTime(): Promise<T | null> {
    return Promise.race([this.ask().catch(() => null), this.#late()]);
  }

  #late(): Promise<null> {
    return new Promise((resolve) => setTimeout(resolve, this.patienceMs, null));
  }
}
