/**
 * So many tunnels, or agents that have come, are worth a collection. A tunnel
 * leaves some 15 KB of TLS, which the collector takes for a few bytes: with
 * ballast (heap_ballast.ts), it would let a hundred megabytes gather.
 */
const MANY_COUNT = 128;

/** Collects the garbage of what is short or small, and may be many. */
export class CountedGarbage {
  readonly #collect: () => void;
  #count = 0;

  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** So many more have left their garbage. */
  add(count: number): void {
    this.#count += count;
    if (this.#count < MANY_COUNT) return;
    this.#count = 0;
    this.#collect();
  }
}
