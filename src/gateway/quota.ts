import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";

/** Whose share of the gateway is counted. */
type QuotaOwner = "operator" | "device" | "address" | "gateway";

const OWNER_MAX_CHARS = 128;

/**
 * Counts what is open at once per operator, per device, per address or in
 * all, up to a maximum. Only keys in use are kept.
 */
export class Quota {
  readonly #owner: QuotaOwner;
  readonly #maxCount: number;
  readonly #counted: "tunnels" | "links";
  readonly #taken = new Map<string, number>();

  constructor(
    owner: QuotaOwner,
    maxCount: number,
    counted: "tunnels" | "links" = "tunnels",
  ) {
    this.#owner = owner;
    this.#maxCount = maxCount;
    this.#counted = counted;
  }

  /** How many keys have something open. */
  get keyCount(): number {
    return this.#taken.size;
  }

  /**
   * Counts one more for `key` until disposed; to dispose twice is harmless.
   *
   * @param name What a person calls the key. Hostile text, too.
   * @throws {Fault} `quotaExceeded` if the maximum is open already.
   */
  take(key: string, name: string = key): Disposable {
    const count = this.#taken.get(key) ?? 0;
    if (count >= this.#maxCount) throw this.#exceeded(name);
    this.#taken.set(key, count + 1);
    return new Place(key, this.#taken);
  }

  #exceeded(name: string): Fault {
    const owner = this.#owner;
    const counted = this.#counted;
    const isAll = owner === "gateway";
    const who = isAll
      ? "the gateway"
      : `${owner} ${plainText(name, OWNER_MAX_CHARS)}`;
    const key = isAll ? `${counted}_max` : `${counted}_per_${owner}_max`;
    return new Fault(
      "quotaExceeded",
      `Cannot open ${counted.slice(0, -1)}: ${who} has ${this.#maxCount} ` +
        `${counted} open, the limit`,
      { hint: `Close some of them, or raise limits.${key} of the gateway` },
    );
  }
}

/** One that is counted: without closures, since each link has some. */
class Place implements Disposable {
  readonly #key: string;
  #taken: Map<string, number> | undefined;

  constructor(key: string, taken: Map<string, number>) {
    this.#key = key;
    this.#taken = taken;
  }

  [Symbol.dispose](): void {
    const count = this.#taken?.get(this.#key) ?? 0;
    if (count > 1) this.#taken?.set(this.#key, count - 1);
    else this.#taken?.delete(this.#key);
    this.#taken = undefined;
  }
}
