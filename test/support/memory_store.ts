import type {
  Lease,
  LeaseRule,
  SharedStore,
  Taken,
} from "../../src/policy/shared_store.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { ManualClock } from "./manual_clock.ts";

interface Kept {
  readonly text: string;
  readonly sinceMs: number;
  readonly endsAtMs: number;
}

/** What gateways share, in memory; it can be away, and forget all. */
export class MemoryStore implements SharedStore {
  isAway = false;
  /** How often it was asked. */
  askedCount = 0;
  readonly #clock: ManualClock;
  readonly #leases = new Map<string, Kept>();
  readonly #texts = new Map<string, Kept>();
  readonly #sets = new Map<string, Map<string, Kept>>();
  readonly #hearers = new Map<string, (text: string) => void>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  forgetAll(): void {
    this.#leases.clear();
    this.#texts.clear();
    this.#sets.clear();
  }

  hear(channel: string, hearer: (text: string) => void): void {
    this.#hearers.set(channel, hearer);
  }

  /** Names of all texts and leases that are there now. */
  keys(): string[] {
    const all = [...this.#texts.keys(), ...this.#leases.keys()];
    return all.filter((key) =>
      (this.#now(this.#texts, key) ?? this.#now(this.#leases, key)) !==
        undefined
    ).sort();
  }

  take(lease: Lease, rule: LeaseRule): Promise<Taken> {
    return this.#answer(() => {
      const { key, value, ttlMs } = lease;
      const now = this.#clock.now();
      const held = this.#now(this.#leases, key);
      let sinceMs = rule.tag === "newest" ? now - rule.ageMs : now;
      if (held?.text === value) sinceMs = held.sinceMs;
      else if (held) {
        const isLost = rule.tag === "newest"
          ? held.sinceMs > sinceMs
          : held.text !== rule.insteadOf;
        if (isLost) return { isHeld: false, other: held.text };
      }
      const kept = { text: value, sinceMs, endsAtMs: now + ttlMs };
      this.#leases.set(key, kept);
      const other = held?.text === value ? undefined : held?.text;
      return { isHeld: true, other };
    });
  }

  free(key: string, value: string): Promise<boolean> {
    return this.#answer(() => {
      if (this.#now(this.#leases, key)?.text !== value) return false;
      return this.#leases.delete(key);
    });
  }

  holders(keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#answer(() =>
      keys.map((key) => this.#now(this.#leases, key)?.text)
    );
  }

  put(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#answer(() => {
      const sinceMs = this.#clock.now();
      const kept = { text, sinceMs, endsAtMs: sinceMs + ttlMs };
      this.#texts.set(key, kept);
    });
  }

  get(key: string): Promise<string | undefined> {
    return this.#answer(() => this.#now(this.#texts, key)?.text);
  }

  remove(key: string, text: string): Promise<void> {
    return this.#answer(() => {
      if (this.#now(this.#texts, key)?.text === text) this.#texts.delete(key);
    });
  }

  share(key: string, text: string): Promise<string> {
    return this.#answer(() => {
      const known = this.#now(this.#texts, key);
      if (known) return known.text;
      this.#texts.set(key, { text, sinceMs: 0, endsAtMs: Infinity });
      return text;
    });
  }

  join(key: string, member: string, ttlMs: number): Promise<string[]> {
    return this.#answer(() => {
      const sinceMs = this.#clock.now();
      const kept = { text: member, sinceMs, endsAtMs: sinceMs + ttlMs };
      const set = this.#sets.get(key) ?? new Map<string, Kept>();
      this.#sets.set(key, set.set(member, kept));
      return [...set.keys()].filter((name) => this.#now(set, name)).sort();
    });
  }

  publish(channel: string, text: string): Promise<void> {
    return this.#answer(() => this.#hearers.get(channel)?.(text));
  }

  #now(map: Map<string, Kept>, key: string): Kept | undefined {
    const kept = map.get(key);
    return kept && kept.endsAtMs > this.#clock.now() ? kept : undefined;
  }

  #answer<T>(work: () => T): Promise<T> {
    this.askedCount++;
    if (!this.isAway) return Promise.try(work);
    return Promise.reject(new Fault("gatewayRefused", "The store is away"));
  }
}
