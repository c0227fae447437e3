import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { parseIp } from "../protocol/ip_range.ts";

/** All ours to choose: a school behind one address enrols in some minutes. */
const WINDOW_MS = 60_000;
const SITE_MAX_COUNT = 60;
const ALL_MAX_COUNT = 1_200;
const SITES_MAX_COUNT = 4_096;
/** What one customer of a provider gets at least (RFC 6177 §2). */
const IPV6_SITE_BYTES = 8;

/** How often whoever is not known yet may ask for work that costs. */
export class RequestLimiter {
  readonly #clock: Pick<Clock, "now">;
  readonly #counts = new Map<string, number>();
  #allCount = 0;
  #endsAtMs = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /**
   * Counts one request.
   *
   * @throws {Fault} `quotaExceeded`, with the time until the next minute.
   */
  take(address: string): void {
    const nowMs = this.#clock.now();
    if (nowMs >= this.#endsAtMs) {
      this.#counts.clear();
      this.#allCount = 0;
      this.#endsAtMs = nowMs + WINDOW_MS;
    }
    const own = siteOf(address);
    const isRoom = this.#counts.has(own) || this.#counts.size < SITES_MAX_COUNT;
    const site = isRoom ? own : "*";
    const count = (this.#counts.get(site) ?? 0) + 1;
    this.#counts.set(site, count);
    this.#allCount++;
    if (count <= SITE_MAX_COUNT && this.#allCount <= ALL_MAX_COUNT) return;
    throw new Fault(
      "quotaExceeded",
      "Cannot answer: certificates are asked for too often from there",
      { hint: "Wait a minute", retryAfterMs: this.#endsAtMs - nowMs },
    );
  }
}

function siteOf(address: string): string {
  const bytes = parseIp(address);
  if (bytes?.length !== 16) return address;
  return bytes.subarray(0, IPV6_SITE_BYTES).toHex();
}
