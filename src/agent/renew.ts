import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";

/** From when until when a certificate may be used; ms since 1970. */
export interface CertificateDates {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What a gateway said to an agent that asked for its next certificate. */
export type RenewOutcome =
  | { readonly tag: "renewed"; readonly notAfterMs: number }
  /** It gave what we have. */
  | { readonly tag: "unchanged" }
  /** A person has to approve `id` first. */
  | { readonly tag: "pending"; readonly id: string };

export interface RenewPorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Of what is on disk; undefined: there is none, or none to be read. */
  readonly dates: () => Promise<CertificateDates | undefined>;
  /** Asks, and stores what it gets. @throws {Fault} */
  readonly ask: (signal: AbortSignal) => Promise<RenewOutcome>;
  /** Resolves when somebody wants us to look again at once. */
  readonly woken: () => Promise<void>;
}

/** All ours to choose. A fleet that starts at once does not ask at once. */
const FIRST_SPREAD_MS = 60_000;
const RETRY_BASE_MS = 60_000;
const RETRY_MAX_MS = 60 * 60_000;
/** docs/PROTOCOL.md §7: only a person can mend it. */
const PENDING_MIN_MS = 2 * 60_000;
const PENDING_MAX_MS = 6 * 60_000;
/** A clock that is wrong by weeks must not have us ask again and again. */
const AGAIN_MIN_MS = 24 * 60 * 60_000;
/** The wall clock may be set, and a laptop may sleep, while we wait. */
const LOOK_EVERY_MS = 60 * 60_000;

/** At so much of its life left a certificate is renewed … */
const DUE_LEFT_RATIO = 1 / 3;
/** … or later by at most this much, so that a fleet spreads over days. */
const DUE_SPREAD_RATIO = 1 / 30;

/**
 * Returns when a certificate is due, in milliseconds since 1970.
 *
 * @param spread In [0, 1): where in the last part an agent has its place.
 */
export function renewalDueMs(
  { notAfterMs, notBeforeMs }: CertificateDates,
  spread: number,
): number {
  const lifeMs = notAfterMs - notBeforeMs;
  const leftMs = lifeMs * (DUE_LEFT_RATIO - spread * DUE_SPREAD_RATIO);
  return Math.round(notAfterMs - leftMs);
}

/**
 * Renews the certificate whenever it is due, until `signal` aborts. It never
 * gives up, and an end of its life does not end this.
 *
 * @throws `signal.reason` once aborted, and nothing else.
 */
export async function runRenewal(
  ports: RenewPorts,
  signal: AbortSignal,
): Promise<never> {
  const { clock, random } = ports;
  const spread = random();
  const state: State = { failureCount: 0, pendingId: undefined };
  let notBeforeMs = clock.now() + random() * FIRST_SPREAD_MS;
  for (;;) {
    const dueInMs = await untilDue(spread, ports);
    const waitMs = Math.max(dueInMs, notBeforeMs - clock.now());
    if (waitMs > 0) {
      const longest = Math.min(waitMs, LOOK_EVERY_MS);
      if (await sleepOrWake(longest, ports, signal)) notBeforeMs = clock.now();
      continue;
    }
    notBeforeMs = clock.now() + await attempt(state, ports, signal);
  }
}

interface State {
  failureCount: number;
  /** What was said to wait for a person. */
  pendingId: string | undefined;
}

async function untilDue(spread: number, ports: RenewPorts): Promise<number> {
  const dates = await ports.dates();
  if (!dates) return LOOK_EVERY_MS;
  return renewalDueMs(dates, spread) - ports.clock.wallNow();
}

/** Returns how long not to ask again, in milliseconds. */
async function attempt(
  state: State,
  ports: RenewPorts,
  signal: AbortSignal,
): Promise<number> {
  const { log, random } = ports;
  try {
    const outcome = await ports.ask(signal);
    state.failureCount = 0;
    if (outcome.tag !== "pending") {
      state.pendingId = undefined;
      if (outcome.tag === "unchanged") return AGAIN_MIN_MS;
      const until = new Date(outcome.notAfterMs).toISOString();
      log.info("renew.done", { until });
      return AGAIN_MIN_MS;
    }
    const waitMs = PENDING_MIN_MS +
      random() * (PENDING_MAX_MS - PENDING_MIN_MS);
    if (state.pendingId !== outcome.id) {
      state.pendingId = outcome.id;
      log.warn("renew.pending", { request: outcome.id }, waiting(outcome.id));
    }
    return waitMs;
  } catch (error) {
    signal.throwIfAborted();
    const fault = Fault.from(error);
    const waitMs = retryMs(state.failureCount++, fault, random);
    log.warn("renew.failed", { attempt: state.failureCount, waitMs }, error);
    return waitMs;
  }
}

function waiting(id: string): Fault {
  return new Fault(
    "certificateExpired",
    "Cannot renew certificate yet: it has expired, and a person must approve",
    { hint: `Run \`migasfree-agent pki approve DIR ${id}\` at the CA` },
  );
}

function retryMs(
  failureCount: number,
  { retryAfterMs = 0 }: Fault,
  random: () => number,
): number {
  const capMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** failureCount);
  const waitMs = capMs / 2 + random() * capMs / 2;
  return Math.round(Math.max(waitMs, Math.min(retryAfterMs, RETRY_MAX_MS)));
}

/** Returns whether it was woken. */
async function sleepOrWake(
  ms: number,
  { clock, woken }: RenewPorts,
  signal: AbortSignal,
): Promise<boolean> {
  const done = new AbortController();
  const sleeping = clock.sleep(ms, AbortSignal.any([signal, done.signal]));
  let isWoken = false;
  try {
    const wake = woken().then(() => void (isWoken = true));
    await Promise.race([sleeping, wake]);
  } finally {
    done.abort();
    await Promise.allSettled([sleeping]);
  }
  return isWoken;
}
