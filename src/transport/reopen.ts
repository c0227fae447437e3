import type { Clock } from "../base/clock.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { OPEN_TIMEOUT_MS } from "../protocol/limits.ts";
import type { Link } from "./link.ts";
import { LOST_CODES } from "./lost_codes.ts";

/** docs/PROTOCOL.md §5.3: from the first loss, as long as `joined` may take. */
const REOPEN_MS = OPEN_TIMEOUT_MS + 5_000;

/** Waits between two attempts: jittered, doubling. */
const WAIT_MIN_MS = 100;
const WAIT_MAX_MS = 1_000;

/** For so long, a place that another tunnel has left may still be counted. */
const LEAVING_MS = 2_000;

/** How a link can end, or its dial, and the next one be better. */
const PASSING: readonly FaultCode[] = [
  ...LOST_CODES,
  "gatewayUnreachable",
  "gatewayUnresolved",
  "gatewayRefused",
  "proxyRefused",
];

/** What is used to come back with, once the two ends are joined. */
export interface ReturnTicket {
  readonly "resume_token"?: string | undefined;
  /** How long each end waits for the other, in milliseconds. */
  readonly "detach_ms"?: number | undefined;
}

/** How an end asks once more whose link was lost before it was joined. */
export interface ReopenPorts {
  /** Dials as for the first link: nothing was said yet. @throws {Fault} */
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /**
   * When, on the stream's clock, the last tunnel of this process ended: where
   * there are too many, its place may be free only a moment later.
   */
  readonly leftAtMs?: (() => number) | undefined;
  /**
   * For an end whose ticket works once: what `joined` would have given it.
   * If the gateway does not know the ticket any more, the lost link used it.
   */
  readonly returnTicket?: ReturnTicket | undefined;
}

/** The time before a stream's two ends are joined, once a link was lost. */
export class Reopening {
  readonly #clock: Clock;
  readonly #ports: ReopenPorts;
  /** Undefined: no link was lost yet. */
  #endMs: number | undefined;
  /** Undefined: there was a place so far. */
  #fullEndMs: number | undefined;

  constructor(clock: Clock, ports: ReopenPorts) {
    this.#clock = clock;
    this.#ports = ports;
  }

  /** Returns whether another link may mend how one has ended. */
  mayFollow({ code }: Fault): boolean {
    if (code === "quotaExceeded") return this.#isLeaving();
    if (this.#endMs === undefined) return PASSING.includes(code);
    // The device may need as long to come back as we do.
    const isPassing = PASSING.includes(code) || code === "deviceOffline";
    return isPassing && this.#clock.now() < this.#endMs;
  }

  /** Returns what to come back with, if that is the way after `fault`. */
  returnTicket({ code }: Fault): ReturnTicket | undefined {
    const wasUsed = this.#endMs !== undefined && code === "ticketInvalid";
    return wasUsed ? this.#ports.returnTicket : undefined;
  }

  /** Dials the next link. @throws {Fault} @throws `signal.reason` */
  async next(signal: AbortSignal): Promise<Link> {
    const { dial, random } = this.#ports;
    const endMs = this.#endMs ?? this.#fullEndMs ??
      (this.#endMs = this.#clock.now() + REOPEN_MS);
    await this.#clock.sleep(random() * WAIT_MIN_MS, signal);
    return await dialPatiently(dial, endMs, random, this.#clock, signal);
  }

  /** Who has left nothing has nothing to wait for. */
  #isLeaving(): boolean {
    const nowMs = this.#clock.now();
    const leftAtMs = this.#ports.leftAtMs?.() ?? -Infinity;
    const hasJustLeft = nowMs - leftAtMs < LEAVING_MS;
    if (hasJustLeft) this.#fullEndMs ??= nowMs + LEAVING_MS;
    return nowMs < (this.#fullEndMs ?? -Infinity);
  }
}

/**
 * Dials until a link stands, for as long as another attempt may help.
 *
 * @param endMs On `clock`: no attempt is begun after it.
 * @throws {Fault} How the last one failed. @throws `signal.reason`
 */
export async function dialPatiently(
  dial: (signal: AbortSignal) => Promise<Link>,
  endMs: number,
  random: () => number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  for (let attempt = 0;; attempt++) {
    try {
      return await dial(signal);
    } catch (error) {
      signal.throwIfAborted();
      const capMs = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** attempt);
      const waitMs = random() * capMs;
      const isLate = clock.now() + waitMs >= endMs;
      if (isLate || !PASSING.includes(Fault.from(error).code)) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}
