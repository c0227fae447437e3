import type { Clock } from "./clock.ts";

/**
 * Waits for `work`, but no longer than `ms`.
 *
 * @param late Makes the error of a wait that was too long.
 * @throws What `work` rejects with, or `late()`, or `signal.reason`.
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  ms: number,
  late: () => Error,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const timer = clock.sleep(ms, either).then(() => {
    throw late();
  });
  try {
    return await Promise.race([work(either), timer]);
  } finally {
    done.abort(new DOMException("No longer needed", "AbortError"));
    await timer.catch(() => undefined); // Settled by the abort, or told above.
  }
}
