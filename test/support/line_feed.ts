interface Waiter {
  readonly pattern: RegExp;
  readonly heard: (line: string) => void;
  readonly over: () => void;
}

/** The lines that a program has said, for whoever waits for one of them. */
export class LineFeed {
  readonly #lines: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #isOver = false;

  push(line: string): void {
    this.#lines.push(line);
    for (const waiter of [...this.#waiters]) {
      if (!waiter.pattern.test(line)) continue;
      this.#waiters.delete(waiter);
      waiter.heard(line);
    }
  }

  /** No line will follow: whoever still waits is told. */
  end(): void {
    this.#isOver = true;
    for (const waiter of this.#waiters) waiter.over();
    this.#waiters.clear();
  }

  /**
   * Resolves with the first line, said or yet to be said, that `pattern`
   * matches; with undefined if none comes in time, or ever.
   */
  first(pattern: RegExp, timeoutMs: number): Promise<string | undefined> {
    const early = this.#lines.find((line) => pattern.test(line));
    if (early !== undefined || this.#isOver) return Promise.resolve(early);
    return new Promise((resolve) => {
      const settle = (line: string | undefined) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(line);
      };
      const timer = setTimeout(() => settle(undefined), timeoutMs);
      const waiter = { pattern, heard: settle, over: () => settle(undefined) };
      this.#waiters.add(waiter);
    });
  }
}
