import * as z from "zod/mini";
import type { Clock } from "../base/clock.ts";
import type { SharedStore } from "../policy/shared_store.ts";
import { Fault } from "../protocol/fault.ts";
import {
  gatewayChannel,
  gatewayKey,
  GATEWAYS_KEY,
  JOINED_TEXT,
} from "./cluster_keys.ts";

/** How long the others believe that a gateway is there. All ours to choose. */
const RECORD_TTL_MS = 15_000;

/** How long one is remembered that is not heard of, while others are. */
const FORGET_AFTER_MS = 60_000;

/** Gateways of one site that are known at most. */
const GATEWAYS_MAX_COUNT = 256;

const recordSchema = z.object({
  url: z.string().check(z.maxLength(512), z.regex(/^wss?:\/\/[^/?#@]+$/)),
});

interface Known {
  readonly url: string;
  readonly heardAtMs: number;
}

/** Which gateways a site has, and where each is reached; without the store too. */
export class GatewayTable {
  readonly #ownId: string;
  readonly #ownUrl: () => string;
  readonly #clock: Clock;
  readonly #store: SharedStore;
  readonly #known = new Map<string, Known>();

  constructor(
    ownId: string,
    ownUrl: () => string,
    clock: Clock,
    store: SharedStore,
  ) {
    this.#ownId = ownId;
    this.#ownUrl = ownUrl;
    this.#clock = clock;
    this.#store = store;
  }

  /** Tells the others where we are, and hears of them. @throws {Fault} */
  async exchange(): Promise<void> {
    const store = this.#store;
    const key = gatewayKey(this.#ownId);
    await store.put(key, this.#record(), RECORD_TTL_MS);
    const ids = await store.join(GATEWAYS_KEY, this.#ownId, RECORD_TTL_MS);
    for (const id of ids.slice(0, GATEWAYS_MAX_COUNT)) {
      if (id === this.#ownId) continue;
      const isNew = !this.#known.has(id);
      await this.#ask(id);
      // It may have heard of us too late for what happens next.
      if (isNew) await store.publish(gatewayChannel(id), JOINED_TEXT);
    }
    const oldestMs = this.#clock.now() - FORGET_AFTER_MS;
    for (const [id, { heardAtMs }] of this.#known) {
      if (heardAtMs < oldestMs) this.#known.delete(id);
    }
  }

  /** Tells the others that we go. @throws {Fault} If the store is away. */
  async leave(): Promise<void> {
    await this.#store.remove(gatewayKey(this.#ownId), this.#record());
  }

  /** @throws {Fault} `gatewayUnreachable` if nobody knows. */
  async urlOf(gatewayId: string): Promise<string> {
    const known = this.#known.get(gatewayId)?.url ?? await this.#ask(gatewayId);
    if (known !== undefined) return known;
    throw new Fault("gatewayUnreachable", "The other gateway is gone", {
      hint: "Try again in a minute",
    });
  }

  /** A gateway did not answer: where it is must be asked anew. */
  forget(gatewayId: string): void {
    this.#known.delete(gatewayId);
  }

  /**
   * Returns all gateways, ourselves among them, in an order for `text` that
   * is the same at each of them, so that they agree without asking. By where
   * they are: one that was started anew keeps its place.
   */
  inOrderFor(text: string): string[] {
    const known = [...this.#known].map(([id, { url }]) => [url, id] as const);
    const byUrl = new Map([...known, [this.#ownUrl(), this.#ownId] as const]);
    return [...byUrl]
      .map(([url, id]) => ({ rank: hashOf(`${text} ${url}`), id }))
      .sort((a, b) => a.rank - b.rank).map(({ id }) => id);
  }

  #record(): string {
    return JSON.stringify({ url: this.#ownUrl() });
  }

  async #ask(gatewayId: string): Promise<string | undefined> {
    const text = await this.#store.get(gatewayKey(gatewayId));
    const url = text === undefined ? undefined : urlIn(text);
    if (url === undefined) return undefined;
    const heardAtMs = this.#clock.now();
    const isFull = this.#known.size >= GATEWAYS_MAX_COUNT;
    if (isFull && !this.#known.has(gatewayId)) return url;
    this.#known.set(gatewayId, { url, heardAtMs });
    return url;
  }
}

function urlIn(text: string): string | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(text)).data?.url;
  } catch {
    return undefined; // Of a gateway of another version.
  }
}

/** FNV-1a, 32 bits: it only spreads; nobody gains by choosing. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
