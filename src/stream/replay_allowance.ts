import {
  STREAM_MESSAGE_MAX_BYTES,
  WINDOW_INITIAL_BYTES,
} from "../protocol/limits.ts";
import type { WindowBudget } from "./window_budget.ts";

/**
 * How much of a direction may be kept for a new link: what was sent and not
 * acknowledged. The other end's window alone would leave that to the other
 * end, and an agent has many of them.
 *
 * Grows with the window as long as the process has something left, and never
 * shrinks. Where it stays below, the stream is slower and nothing else: a
 * receiver measures what comes, and grants no more than four times that.
 */
export class ReplayAllowance {
  readonly #budget: WindowBudget;
  #takenBytes = 0;
  #leastBytes = 0;

  constructor(budget: WindowBudget) {
    this.#budget = budget;
  }

  /** The most that may be under way. */
  get sizeBytes(): number {
    return Math.max(
      WINDOW_INITIAL_BYTES + this.#takenBytes,
      this.#leastBytes,
    );
  }

  /** The other end grants a window of `windowBytes`. */
  granted(windowBytes: number): void {
    // It acknowledges each quarter of it, and need not do so before.
    this.#leastBytes = windowBytes / 4 + STREAM_MESSAGE_MAX_BYTES;
    const wantedBytes = windowBytes - WINDOW_INITIAL_BYTES - this.#takenBytes;
    if (wantedBytes > 0) this.#takenBytes += this.#budget.take(wantedBytes);
  }

  /** Gives the process back what this direction took. */
  release(): void {
    this.#budget.giveBack(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
