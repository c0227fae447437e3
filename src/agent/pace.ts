import type { Clock } from "../base/clock.ts";

/** Keeps questions apart, whatever makes them: no retry may become a flood. */
export class Pace {
  readonly #intervalMs: number;
  readonly #clock: Clock;
  #nextMs = -Infinity;

  /** @param intervalMs Least time from one question to the next. */
  constructor(intervalMs: number, clock: Clock) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
  }

  /**
   * Resolves when the next question may be asked; those who wait together are
   * let through one by one.
   *
   * @throws `signal.reason` once aborted.
   */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const nowMs = this.#clock.now();
    const turnMs = Math.max(nowMs, this.#nextMs);
    this.#nextMs = turnMs + this.#intervalMs;
    if (turnMs > nowMs) await this.#clock.sleep(turnMs - nowMs, signal);
  }
}
