import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";
import { Backoff } from "./backoff.ts";
import type { Progress } from "./progress.ts";

export interface SupervisePorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1), so that a thousand agents do not return together. */
  readonly random: () => number;
  /** Longest wait between two attempts, as the last welcome named it. */
  readonly capMs: () => number;
  /** Resolves when something changed that makes an early attempt worth it. */
  readonly changed: (signal: AbortSignal) => Promise<void>;
  /** Told of each step; what `once` does in between is its own to tell. */
  readonly progress?: Progress | undefined;
}

/** How long an attempt may take until it stands, or has failed. */
export const ATTEMPT_MAX_MS = 60_000;

/**
 * Runs `once` again and again until `signal` aborts.
 *
 * It never gives up: an endpoint that stops dialing needs a person on site.
 *
 * @param once Dials and serves one link; calls `stood` when it has been
 * welcomed; returns or throws when it has ended.
 * @throws `signal.reason` once aborted, and nothing else.
 */
export async function superviseLink(
  once: (stood: () => void, signal: AbortSignal) => Promise<Fault>,
  ports: SupervisePorts,
  signal: AbortSignal,
): Promise<never> {
  const { clock, log, progress } = ports;
  const backoff = new Backoff(ports.random);
  for (;;) {
    signal.throwIfAborted();
    progress?.step(ATTEMPT_MAX_MS);
    let stoodAtMs: number | undefined;
    const stood = () => void (stoodAtMs ??= clock.now());
    // Even a bug that throws at once, before it returns a promise.
    const fault = await Promise.try(once, stood, signal).catch(Fault.from);
    signal.throwIfAborted();
    const livedMs = stoodAtMs === undefined ? 0 : clock.now() - stoodAtMs;
    const waitMs = backoff.next(fault, livedMs, ports.capMs());
    const event = stoodAtMs === undefined ? "link.failed" : "link.lost";
    log.warn(event, { attempt: backoff.failures, waitMs }, fault);
    progress?.step(waitMs);
    await sleepOrChange(waitMs, ports, signal);
  }
}

async function sleepOrChange(
  waitMs: number,
  ports: SupervisePorts,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const sleeping = ports.clock.sleep(waitMs, either);
  const changed = Promise.try(() => ports.changed(either))
    .catch((error: unknown) => {
      // Whoever cannot tell of a change must not stop us from dialing.
      if (!either.aborted) ports.log.warn("link.watch_failed", {}, error);
      return sleeping;
    });
  const waits = [sleeping, changed];
  try {
    await Promise.race(waits);
  } finally {
    done.abort();
    await Promise.allSettled(waits);
  }
}
