import type { Clock } from "../base/clock.ts";
import type {
  Lease,
  LeaseRule,
  SharedStore,
  Taken,
} from "../policy/shared_store.ts";

/** How long a lease outlives the gateway that held it. Ours to choose. */
const LEASE_TTL_MS = 60_000;

/** When it is renewed: two of three attempts may fail. */
const RENEW_AFTER_MS = 20_000;

/** Leases that are renewed at once. */
const BATCH_MAX_COUNT = 256;

interface Held {
  readonly lease: Lease;
  readonly sinceMs: number;
  dueMs: number;
  readonly lost: (other: string) => void;
}

export interface LeaseBookPorts {
  readonly clock: Clock;
  readonly store: SharedStore;
}

/** The leases that this gateway has, or wants as long as the store is away. */
export class LeaseBook {
  readonly #ports: LeaseBookPorts;
  readonly #held = new Map<string, Held>();

  constructor(ports: LeaseBookPorts) {
    this.#ports = ports;
  }

  get count(): number {
    return this.#held.size;
  }

  /**
   * Takes a lease over anybody who took it before now, and keeps it.
   *
   * @param lost Told once, if somebody else has taken it since.
   * @throws {Fault} If the store is away: it is taken when that is back.
   */
  async hold(
    key: string,
    value: string,
    lost: (other: string) => void,
  ): Promise<Taken> {
    const held = this.#write({ key, value, ttlMs: LEASE_TTL_MS }, lost);
    return await this.#renew(held);
  }

  /**
   * Takes a lease that is free, or `insteadOf` a holder that is dead, and
   * keeps it then.
   *
   * @throws {Fault} If the store is away: it is then not kept.
   */
  async holdFirst(
    key: string,
    value: string,
    insteadOf: string | undefined,
  ): Promise<Taken> {
    const lease = { key, value, ttlMs: LEASE_TTL_MS };
    const rule: LeaseRule = { tag: "first", insteadOf };
    const taken = await this.#ports.store.take(lease, rule);
    if (taken.isHeld) this.#write(lease, () => undefined);
    return taken;
  }

  /**
   * Gives a lease up. Returns whether we had it.
   *
   * @throws {Fault} If the store is away: it runs out by itself.
   */
  async drop(key: string, value: string): Promise<boolean> {
    this.forget(key, value);
    return await this.#ports.store.free(key, value);
  }

  /** Lets a lease run out by itself. */
  forget(key: string, value: string): void {
    const held = this.#held.get(key);
    if (held?.lease.value === value) this.#held.delete(key);
  }

  /** The store may have forgotten all of them. */
  allDue(): void {
    for (const held of this.#held.values()) held.dueMs = 0;
  }

  /** Renews what is due. @throws {Fault} If the store is away. */
  async renew(): Promise<void> {
    const nowMs = this.#ports.clock.now();
    const due = [...this.#held.values()].filter((held) => held.dueMs <= nowMs);
    for (let at = 0; at < due.length; at += BATCH_MAX_COUNT) {
      const some = due.slice(at, at + BATCH_MAX_COUNT);
      await Promise.all(some.map((held) => this.#renew(held)));
    }
  }

  #write(lease: Lease, lost: (other: string) => void): Held {
    const sinceMs = this.#ports.clock.now();
    const held = { lease, sinceMs, dueMs: 0, lost };
    this.#held.set(lease.key, held);
    return held;
  }

  async #renew(held: Held): Promise<Taken> {
    const { clock, store } = this.#ports;
    const { lease, sinceMs } = held;
    const ageMs = clock.now() - sinceMs;
    const taken = await store.take(lease, { tag: "newest", ageMs });
    held.dueMs = clock.now() + RENEW_AFTER_MS;
    const isOurs = this.#held.get(lease.key) === held;
    if (!taken.isHeld && isOurs) {
      this.#held.delete(lease.key);
      held.lost(taken.other ?? "");
    }
    return taken;
  }
}
