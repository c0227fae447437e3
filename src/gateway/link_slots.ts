import type { GatewayLimits } from "./ports.ts";
import { Quota } from "./quota.ts";
import type { Standing } from "./standing.ts";

/** Counts the links that are open: of each address, and in all. */
export class LinkSlots {
  readonly #perAddress: Quota;
  readonly #all: Quota;
  #emptied: (() => void) | undefined;

  constructor(limits: GatewayLimits) {
    this.#perAddress = new Quota("address", limits.linksPerAddressMax, "links");
    this.#all = new Quota("gateway", limits.linksMax, "links");
  }

  /**
   * Counts one more link until disposed.
   *
   * @throws {Fault} `quotaExceeded`; it is then not counted.
   */
  take(address: string): Disposable {
    using all = new DisposableStack();
    const one = all.use(this.#all.take("all"));
    const other = this.#perAddress.take(address);
    all.move();
    return new Slot(one, other, this);
  }

  /** Resolves once no link is open. One caller in all. */
  async emptied(): Promise<void> {
    if (this.#all.keyCount === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    await promise;
  }

  /** For its slots: one has become free. */
  freed(): void {
    if (this.#all.keyCount === 0) this.#emptied?.();
  }
}

class Slot implements Disposable {
  readonly #one: Disposable;
  readonly #other: Disposable;
  readonly #slots: LinkSlots;

  constructor(one: Disposable, other: Disposable, slots: LinkSlots) {
    this.#one = one;
    this.#other = other;
    this.#slots = slots;
  }

  [Symbol.dispose](): void {
    this.#one[Symbol.dispose]();
    this.#other[Symbol.dispose]();
    this.#slots.freed();
  }
}

/**
 * Holds `slot` as long as a link is served, or stands. On its own: a closure
 * in an async function keeps all its parameters, a caller's request for example.
 */
export async function holdSlot(
  slot: Disposable,
  serving: Promise<Standing | void>,
): Promise<void> {
  let standing: Standing | void = undefined;
  try {
    standing = await serving;
  } finally {
    if (standing) standing.hold(slot);
    else slot[Symbol.dispose]();
  }
}
