import type { Clock } from "../base/clock.ts";

/** Lets somebody ask often for a moment, and seldom for ever: a token bucket. */
export class AskLimiter {
  readonly #burstCount: number;
  readonly #asksPerMs: number;
  readonly #clock: Pick<Clock, "now">;
  #leftCount: number;
  #countedAtMs: number;

  constructor(
    burstCount: number,
    asksPerMs: number,
    clock: Pick<Clock, "now">,
  ) {
    this.#burstCount = burstCount;
    this.#asksPerMs = asksPerMs;
    this.#clock = clock;
    this.#leftCount = burstCount;
    this.#countedAtMs = clock.now();
  }

  /** Returns whether one more may be asked now, and counts it if so. */
  ask(): boolean {
    const nowMs = this.#clock.now();
    const grownCount = (nowMs - this.#countedAtMs) * this.#asksPerMs;
    this.#leftCount = Math.min(this.#burstCount, this.#leftCount + grownCount);
    this.#countedAtMs = nowMs;
    if (this.#leftCount < 1) return false;
    this.#leftCount--;
    return true;
  }
}
