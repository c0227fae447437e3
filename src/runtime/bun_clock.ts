import type { Clock } from "../base/clock.ts";

/** A timer of JavaScript counts in 31 bits: beyond, it would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The machine's own time. */
export const bunClock: Clock = {
  now: () => Bun.nanoseconds() / 1e6,
  wallNow: () => Date.now(),
  sleep,
};

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  let timer: ReturnType<typeof setTimeout>;
  const wait = (leftMs: number) => {
    const stepMs = Math.min(leftMs, TIMER_MAX_MS);
    timer = setTimeout(() => {
      if (leftMs > stepMs) return wait(leftMs - stepMs);
      signal.removeEventListener("abort", stop);
      resolve();
    }, stepMs);
  };
  const stop = () => {
    clearTimeout(timer);
    reject(signal.reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  wait(ms);
  return promise;
}
