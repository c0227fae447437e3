import { type Fault, FAULTS } from "../protocol/fault.ts";
import { RETRY_CAP_MAX_MS } from "../protocol/limits.ts";

/** docs/PROTOCOL.md §7. All ours to choose. */
const FIRST_SPREAD_MS = 3_000;
const BASE_MS = 1_000;
const SLOW_MIN_MS = 2 * 60_000;
const SLOW_MAX_MS = 6 * 60_000;
/** A gateway may ask for patience, but not for ever. */
const RETRY_AFTER_MAX_MS = 60 * 60_000;
/** A link that lived this long was good: the next failure starts afresh. */
const STABLE_AFTER_MS = 60_000;

/** 60 s for ten thousand agents: docs/adr/0008. */
const CAP_PER_LINK_MS = 6;
/** With the dial itself, a small fleet is back within 5 s. */
const CAP_MIN_MS = 4_400;

/** Cap before any welcome has named one: the fleet's size is unknown. */
export const UNKNOWN_CAP_MS = 30_000;

/**
 * When to dial the control link again. First uniform in 0–3 s, so that a
 * fleet that lost its gateway does not return in one second; then full
 * jitter, doubling, up to a cap; a refused identity waits for minutes.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** @param random Uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How many attempts have failed since a link was last stable. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Returns how long to wait, in milliseconds, after a link or an attempt
   * that lived `livedMs` (0: it never stood) ended with `fault`.
   */
  next(fault: Fault, livedMs: number, capMs: number): number {
    if (livedMs >= STABLE_AFTER_MS) this.#failures = 0;
    // Our own doing, one agent at a time: no failure, and no storm to spread.
    if (fault.returnWithinMs === 0) return 0;
    this.#failures++;
    if (fault.returnWithinMs !== undefined) {
      return this.#uniform(
        0,
        Math.min(fault.returnWithinMs, RETRY_AFTER_MAX_MS),
      );
    }
    const waitMs = FAULTS[fault.code].retry === "slow"
      ? this.#uniform(SLOW_MIN_MS, SLOW_MAX_MS)
      : this.#fullJitter(capMs);
    const askedMs = Math.min(fault.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS);
    return askedMs === 0 ? waitMs : this.#uniform(askedMs, askedMs + waitMs);
  }

  #fullJitter(capMs: number): number {
    if (this.#failures === 1) return this.#uniform(0, FIRST_SPREAD_MS);
    // 2 ** 30 is beyond any cap; a larger power would only lose its sense.
    const doublings = Math.min(this.#failures - 2, 30);
    // A gateway that names no cap worth the name must not make us spin.
    const knownCapMs = Math.max(capMs, BASE_MS);
    return this.#uniform(0, Math.min(knownCapMs, BASE_MS * 2 ** doublings));
  }

  #uniform(minMs: number, maxMs: number): number {
    return Math.round(minMs + this.#random() * (maxMs - minMs));
  }
}

/**
 * Returns the cap that a gateway with `linkCount` control links names, so
 * that the whole fleet returns at about the same handshakes per second
 * whatever its size: 4.4 s for a hundred, 60 s for ten thousand.
 */
export function retryCapMs(linkCount: number): number {
  return Math.min(
    RETRY_CAP_MAX_MS,
    Math.max(CAP_MIN_MS, CAP_PER_LINK_MS * linkCount),
  );
}
