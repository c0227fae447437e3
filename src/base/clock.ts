/** Time as the house sees it. `runtime/` has the real one, tests a manual one. */
export interface Clock {
  /** Milliseconds since an arbitrary origin. Monotonic; never the wall clock. */
  now(): number;

  /** Milliseconds since 1970-01-01T00:00:00Z. May jump in either direction. */
  wallNow(): number;

  /**
   * Resolves after `ms`.
   *
   * @throws `signal.reason`, in the same turn, once `signal` aborts.
   */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
