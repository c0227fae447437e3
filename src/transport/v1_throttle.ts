import type { Clock } from "../base/clock.ts";
import type { Link } from "./link.ts";

/** Below this a pause is not worth its timer. */
const PAUSE_MIN_MS = 20;
/** Pings must be heard: peers give up after a minute without an answer. */
const PAUSE_MAX_MS = 5_000;

/**
 * Reads a link more slowly, without ever letting it stand still: what cannot
 * be taken costs time, and the time is spent with the link paused.
 */
export class V1Throttle {
  readonly #link: Link;
  readonly #clock: Clock;
  #debtMs = 0;
  /** Ends the pause that lasts; undefined: the link is read. */
  #pause: AbortController | undefined;

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** Counts `bytes` that should not have come faster than `bytesPerMs`. */
  charge(bytes: number, bytesPerMs: number): void {
    this.#debtMs = Math.min(this.#debtMs + bytes / bytesPerMs, PAUSE_MAX_MS);
    if (this.#debtMs < PAUSE_MIN_MS || this.#pause) return;
    this.#link.pause();
    void this.#sleep(this.#pause = new AbortController());
  }

  /** Forgives all debts: somebody needs the link, or nothing is in the way. */
  release(): void {
    this.#debtMs = 0;
    const pause = this.#pause;
    if (!pause) return;
    // At once: what is charged next in this turn may begin another one.
    this.#pause = undefined;
    pause.abort();
    this.#link.resume();
  }

  async #sleep(pause: AbortController): Promise<void> {
    // What was already under way when the link was paused adds to the debt.
    while (this.#debtMs > 0 && !pause.signal.aborted) {
      const ms = this.#debtMs;
      this.#debtMs = 0;
      await this.#clock.sleep(ms, pause.signal)
        .catch(() => undefined); // Released: the link is needed again.
    }
    if (this.#pause !== pause) return;
    this.#pause = undefined;
    this.#link.resume();
  }
}
