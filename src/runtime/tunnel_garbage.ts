/**
 * So many tunnels are worth a collection. Each leaves some 15 KB of TLS, which
 * the collector takes for a few bytes: with ballast (heap_ballast.ts), it
 * would let a hundred megabytes gather.
 */
const MANY_COUNT = 128;

/** Collects the garbage of short tunnels, of which there may be many. */
export class TunnelGarbage {
  readonly #collect: () => void;
  #endedCount = 0;

  /** @param collect Begins to, beside what else is done. */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** So many tunnels have ended. */
  ended(count: number): void {
    this.#endedCount += count;
    if (this.#endedCount < MANY_COUNT) return;
    this.#endedCount = 0;
    this.#collect();
  }
}
