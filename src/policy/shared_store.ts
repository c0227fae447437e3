/** A right that one gateway has at a time, for as long as it renews it. */
export interface Lease {
  readonly key: string;
  /** Who has it; nobody else's is the same. */
  readonly value: string;
  readonly ttlMs: number;
}

/** Who wins a lease that somebody else has. */
export type LeaseRule =
  /** The other one; but not if it is `insteadOf`, which is thought dead. */
  | { readonly tag: "first"; readonly insteadOf?: string | undefined }
  /** Whoever took it last; we did so `ageMs` ago. */
  | { readonly tag: "newest"; readonly ageMs: number };

/** What became of an attempt to take a lease. */
export interface Taken {
  readonly isHeld: boolean;
  /** If it is held: who had it just before. If not: who has it. */
  readonly other: string | undefined;
}

/**
 * What the gateways of a site have in common, and how they reach each other.
 *
 * Each method has a deadline of its own, and throws a fault `gatewayRefused`
 * if the store does not answer by then. A call that failed may have worked.
 */
export interface SharedStore {
  /** Takes a lease, or renews it for `ttlMs` if we have it. Atomic. */
  take(lease: Lease, rule: LeaseRule): Promise<Taken>;

  /** Gives a lease up. Returns false if `value` did not have it. */
  free(key: string, value: string): Promise<boolean>;

  /** Returns who has each lease. */
  holders(keys: readonly string[]): Promise<(string | undefined)[]>;

  /** Writes a text that goes away after `ttlMs`. */
  put(key: string, text: string, ttlMs: number): Promise<void>;

  /** Returns a text that {@linkcode put} has written. */
  get(key: string): Promise<string | undefined>;

  /** Removes a text, unless it is another one by now. */
  remove(key: string, text: string): Promise<void>;

  /** Writes a text that stays, unless there is one. Returns what is there. */
  share(key: string, text: string): Promise<string>;

  /** Puts `member` into a set for `ttlMs`. Returns all that are in it. */
  join(key: string, member: string, ttlMs: number): Promise<string[]>;

  /** Sends `text` to whoever hears `channel` now. */
  publish(channel: string, text: string): Promise<void>;
}
