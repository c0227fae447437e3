import type { Clock } from "../base/clock.ts";

/** What a step may take beyond what it said: ours to choose. */
const GRACE_MS = 5_000;

/**
 * Whether a loop still turns. Each step says how long it may last; a loop
 * that has not taken another by then hangs, whatever it waits for.
 */
export class Progress {
  readonly #clock: Clock;
  #dueMs: number;

  /** @param firstMs How long the first step may last. */
  constructor(clock: Clock, firstMs: number) {
    this.#clock = clock;
    this.#dueMs = clock.now() + firstMs + GRACE_MS;
  }

  /** The loop has begun a step, which lasts at most `atMostMs`. */
  step(atMostMs: number): void {
    this.#dueMs = this.#clock.now() + atMostMs + GRACE_MS;
  }

  /** Whether the last step has lasted longer than it said. */
  get isStuck(): boolean {
    return this.#clock.now() > this.#dueMs;
  }
}
