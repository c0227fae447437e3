/**
 * A link that stands, and is served without anybody who waits for its end:
 * promises and the frames that wait for them would be most of what an idle
 * agent costs.
 */
export interface Standing {
  /** Disposes `held` once the link has ended; at once if it has before. */
  hold(held: Disposable): void;
}
