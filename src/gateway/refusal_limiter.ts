import type { Clock } from "../base/clock.ts";
import type { LinkRefused, TunnelRefused } from "../policy/audit.ts";
import { parseIp } from "../protocol/ip_range.ts";

/** Somebody was refused. */
export type Refusal = LinkRefused | TunnelRefused;

/** All four are ours to choose: an audit that nobody can flood. */
const WINDOW_MS = 60_000;
const WRITTEN_MAX_COUNT = 20;
const KEYS_MAX_COUNT = 1_024;
/** What one customer of a provider gets at least (RFC 6177 §2). */
const IPV6_SITE_BYTES = 8;

/** A minute of refusals of one kind. */
interface Minute {
  readonly endsAtMs: number;
  writtenCount: number;
  suppressedCount: number;
  last: Refusal;
}

/**
 * Writes the first refusals of a minute per address and code, and counts the
 * rest: one record with `suppressed` stands for them when the minute is over.
 *
 * An operator who is known has a count of its own, so that nobody behind the
 * same address hides what it did. Addresses beyond KEYS_MAX_COUNT share one
 * count per code; their summary names the address `*`.
 */
export class RefusalLimiter {
  readonly #clock: Pick<Clock, "now">;
  readonly #write: (record: Refusal) => void;
  /** In the order in which they end: all last equally long. */
  readonly #minutes = new Map<string, Minute>();

  constructor(
    clock: Pick<Clock, "now">,
    write: (record: Refusal) => void,
  ) {
    this.#clock = clock;
    this.#write = write;
  }

  /** How many minutes are being counted. */
  get keyCount(): number {
    return this.#minutes.size;
  }

  write(record: Refusal): void {
    this.sweep();
    const minute = this.#minuteOf(record);
    if (minute.writtenCount < WRITTEN_MAX_COUNT) {
      minute.writtenCount++;
      return this.#write(record);
    }
    minute.suppressedCount++;
    minute.last = record;
  }

  /** Sums up the minutes that are over; to be called now and then. */
  sweep(): void {
    this.#endBefore(this.#clock.now());
  }

  /** Sums up all minutes, over or not: nothing more will be written. */
  flush(): void {
    this.#endBefore(Infinity);
  }

  #endBefore(nowMs: number): void {
    for (const [key, minute] of this.#minutes) {
      if (minute.endsAtMs > nowMs) return;
      this.#minutes.delete(key);
      const { last, suppressedCount: suppressed } = minute;
      if (suppressed === 0) continue;
      const address = isShared(key) ? "*" : last.address;
      this.#write({ ...last, address, suppressed });
    }
  }

  #minuteOf(record: Refusal): Minute {
    const own = ownKey(record);
    const isRoom = this.#minutes.size < KEYS_MAX_COUNT;
    const key = isRoom || this.#minutes.has(own) ? own : sharedKey(record);
    const known = this.#minutes.get(key);
    if (known) return known;
    const minute: Minute = {
      endsAtMs: this.#clock.now() + WINDOW_MS,
      writtenCount: 0,
      suppressedCount: 0,
      last: record,
    };
    this.#minutes.set(key, minute);
    return minute;
  }
}

function ownKey(record: Refusal): string {
  // The subject of a link that was refused is whatever its caller liked.
  const who = record.event === "tunnel.refused" ? record.operatorSubject : "";
  return `${record.event} ${record.code} ${siteOf(record.address)} ${who}`;
}

/** Two words: no key of {@linkcode ownKey} is so short. */
function sharedKey(record: Refusal): string {
  return `${record.event} ${record.code}`;
}

function isShared(key: string): boolean {
  return key.split(" ", 3).length === 2;
}

function siteOf(address: string): string {
  const bytes = parseIp(address);
  if (bytes?.length !== 16) return address;
  return bytes.subarray(0, IPV6_SITE_BYTES).toHex();
}
