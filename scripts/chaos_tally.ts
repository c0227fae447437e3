/** What became of the sessions of a chaos. */
export class ChaosTally {
  readonly #kinds = new Map<string, number>();
  readonly #usableMs: number[] = [];
  readonly #done = new Map<string, number>();
  /** Sessions that ended although they had begun: one line each. */
  readonly lost: string[] = [];
  /** Sessions that did not begin, because everything was broken. */
  unopenedCount = 0;
  wrongBytes = 0;
  carriedBytes = 0;

  get faultCount(): number {
    return [...this.#kinds.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Faults are over; a session could be used again `usableMs` later. */
  faults(kinds: readonly string[], usableMs: number): void {
    for (const kind of kinds) {
      this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
      this.#usableMs.push(usableMs);
    }
  }

  /** A session has ended as it should. */
  done(name: string): void {
    this.#done.set(name, (this.#done.get(name) ?? 0) + 1);
  }

  /** The share of `share` came back at least as fast, in milliseconds. */
  usableMs(share: number): number {
    const sorted = this.#usableMs.toSorted((a, b) => a - b);
    const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
    return sorted[at] ?? 0;
  }

  /** How it stands, in one line. */
  progress(): string {
    return [
      `${this.faultCount} faults`,
      `${this.lost.length} sessions lost`,
      `${this.wrongBytes} bytes wrong`,
      `p50 ${text(this.usableMs(0.5))}`,
      `p99 ${text(this.usableMs(0.99))}`,
      `longest ${text(this.usableMs(1))}`,
    ].join(", ");
  }

  lines(): string[] {
    const list = (counts: ReadonlyMap<string, number>) =>
      [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
    const mib = (this.carriedBytes / 1024 / 1024).toFixed(0);
    return [
      `faults injected: ${this.faultCount} (${list(this.#kinds)})`,
      `sessions finished: ${list(this.#done) || "none"}`,
      `sessions lost: ${this.lost.length}`,
      ...this.lost.map((line) => `  ${line}`),
      `sessions that could not be opened at that moment: ${this.unopenedCount}`,
      `bytes checked: ${mib} MiB, wrong: ${this.wrongBytes}`,
      `usable again: p50 ${text(this.usableMs(0.5))}, ` +
      `p99 ${text(this.usableMs(0.99))}, ` +
      `at most ${text(this.usableMs(1))} after the path was back`,
    ];
  }
}

function text(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
