const MIB_PER_S = 1024 * 1024 / 1_000;

/** What a tunnel may have unread while its reader moves, or has just stopped. */
export const UNREAD_HARD_BYTES = 64 * 1024 * 1024;

/** A reader that has taken nothing for so long does not move at present. */
const STILL_AFTER_MS = 500;
/** The same when it is all about to be lost: a slow line takes in gulps. */
const RESTING_AFTER_MS = 2_000;
/** A reader that has taken nothing for so long stands still. */
const STALLED_AFTER_MS = 10_000;

/** Over this time the reader's speed is taken. */
const WINDOW_MS = 2_000;

/** How fast a full tunnel may go on to fill while others share its link. */
const SHARED_BYTES_PER_MS = 2 * MIB_PER_S;
/**
 * The same when nobody else is there: 64 MiB then last a minute. Not slower,
 * since whoever wants the next tunnel waits behind some MiB on their way.
 */
export const ALONE_BYTES_PER_MS = MIB_PER_S;
/**
 * Never slower than this: the peer's pings lie behind some MiB of data, and it
 * gives up after a minute without an answer.
 */
const LEAST_BYTES_PER_MS = 0.25 * MIB_PER_S;

/** How fast one tunnel's reader takes what comes, and what that allows. */
export class V1Pace {
  #takenAtMs: number;
  #windowAtMs: number;
  #windowBytes = 0;
  #bytesPerMs = 0;

  constructor(nowMs: number) {
    this.#takenAtMs = nowMs;
    this.#windowAtMs = nowMs;
  }

  /** The reader has taken `bytes`. */
  taken(bytes: number, nowMs: number): void {
    this.#takenAtMs = nowMs;
    this.#windowBytes += bytes;
    const ms = nowMs - this.#windowAtMs;
    if (ms < WINDOW_MS) return;
    this.#bytesPerMs = this.#windowBytes / ms;
    this.#windowAtMs = nowMs;
    this.#windowBytes = 0;
  }

  /** Whether the reader stands still, as far as can be told. */
  isStalled(nowMs: number): boolean {
    return nowMs - this.#takenAtMs >= STALLED_AFTER_MS;
  }

  /**
   * How fast more may come for a tunnel that has much unread, in bytes per
   * millisecond: when it is full, a little less than what its reader takes, so
   * that a slow reader loses nothing. Infinity: nobody on the link is helped
   * by waiting for a reader that does not move; let it fill.
   */
  allowance(isFull: boolean, isShared: boolean, nowMs: number): number {
    const stillMs = nowMs - this.#takenAtMs;
    if (isFull && stillMs < RESTING_AFTER_MS) {
      return Math.max(this.#bytesPerMs * 0.8, LEAST_BYTES_PER_MS);
    }
    if (!isShared) return ALONE_BYTES_PER_MS;
    const fills = !isFull && stillMs >= STILL_AFTER_MS;
    return fills ? Infinity : SHARED_BYTES_PER_MS;
  }
}
