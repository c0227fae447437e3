import { STREAM_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import type { Link, LinkEnd, LinkHandlers } from "../../src/transport/link.ts";

/** Two links over one wire. */
export interface MemoryLinks {
  readonly near: MemoryLink;
  readonly far: MemoryLink;
  readonly wire: MemoryWire;
}

export interface MemoryWireOptions {
  /** Nothing moves but by {@linkcode MemoryWire.step}. */
  readonly stepped?: boolean;
  /** What each direction holds besides the sender's buffer: the kernels. */
  readonly capacityBytes?: number;
  /** Longest message that a link takes. */
  readonly messageMaxBytes?: number;
}

/** Says of a sender that it has no limit: more than any test needs. */
const OUTBOX_MAX_BYTES = 64 * 1024 * 1024;
const CAPACITY_BYTES = 256 * 1024;
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** RFC 6455 §7.4.1: broken off; a message was too big. */
const ABNORMAL: LinkEnd = { code: 1006, reason: "" };
const TOO_BIG: LinkEnd = { code: 1009, reason: "" };

type Item =
  | { readonly tag: "message"; readonly message: string | Uint8Array }
  | { readonly tag: "close"; readonly end: LinkEnd }
  | { readonly tag: "gone" };

export function memoryLinks(options: MemoryWireOptions = {}): MemoryLinks {
  const wire = new MemoryWire(options);
  return { near: wire.near, far: wire.far, wire };
}

/** What lies between two links, and may be cut, stepped or made a hole. */
export class MemoryWire {
  readonly near: MemoryLink;
  readonly far: MemoryLink;
  readonly capacityBytes: number;
  readonly messageMaxBytes: number;
  /** Messages that have arrived, of both directions. */
  arrivedCount = 0;
  readonly #stepped: boolean;
  #cutAtCount = Infinity;
  #isHole = false;
  #isScheduled = false;

  constructor(options: MemoryWireOptions) {
    this.#stepped = options.stepped ?? false;
    this.capacityBytes = options.capacityBytes ?? CAPACITY_BYTES;
    this.messageMaxBytes = options.messageMaxBytes ?? STREAM_MESSAGE_MAX_BYTES;
    this.near = new MemoryLink(this, "near.test");
    this.far = new MemoryLink(this, "far.test");
    this.near.join(this.far);
    this.far.join(this.near);
  }

  /** Moves one item of each direction on; returns whether anything moved. */
  step(): boolean {
    if (this.#isHole) return false;
    const nearMoved = this.near.moveOne();
    return this.far.moveOne() || nearMoved;
  }

  /** Both ends see a broken connection; what was under way is lost. */
  cut(): void {
    this.near.break();
    this.far.break();
  }

  /** Cuts when `count` messages have arrived, before what comes next does. */
  cutAt(count: number): void {
    this.#cutAtCount = count;
  }

  /** From now on nothing arrives, and nobody is told. */
  swallow(): void {
    this.#isHole = true;
  }

  /** For the links: something may move. */
  wake(): void {
    if (this.#stepped || this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.step()) this.wake();
    });
  }

  /** For the links: may the next message, or a goodbye, arrive? */
  admit(isMessage: boolean): boolean {
    if (this.arrivedCount >= this.#cutAtCount) {
      this.cut();
      return false;
    }
    if (isMessage) this.arrivedCount++;
    return true;
  }
}

/** One end of a {@linkcode MemoryWire}. */
export class MemoryLink implements Link {
  readonly remoteAddress: string;
  /** Every message that was handed to `send` while the link was open. */
  sentCount = 0;
  readonly #wire: MemoryWire;
  #peer: MemoryLink = this;
  #handlers: LinkHandlers | undefined;
  #outbox: Item[] = [];
  #outboxBytes = 0;
  /** On the wire towards this end. */
  #inbox: Item[] = [];
  #inboxBytes = 0;
  #state: "open" | "closing" | "closed" = "open";
  #end: LinkEnd | undefined;
  #paused = false;
  #blocked = false;
  #congested = false;

  constructor(wire: MemoryWire, remoteAddress: string) {
    this.#wire = wire;
    this.remoteAddress = remoteAddress;
  }

  join(peer: MemoryLink): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#outboxBytes;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }

  handle(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    if (this.#end && this.#inbox.length === 0) handlers.closed(this.#end);
    else this.#wire.wake();
  }

  send(message: string | Uint8Array): void {
    if (this.#state !== "open") return;
    this.sentCount++;
    const copy = typeof message === "string" ? message : message.slice();
    this.#outbox.push({ tag: "message", message: copy });
    this.#outboxBytes += sizeOf(copy);
    if (this.#outboxBytes > OUTBOX_MAX_BYTES) {
      throw new Error("Cannot hold what a sender without a limit sends");
    }
    this.#fillWire();
    if (this.#outboxBytes > DRAIN_ABOVE_BYTES) this.#congested = true;
    this.#wire.wake();
  }

  ping(): void {
    queueMicrotask(() => {
      if (this.#state !== "open" || this.#peer.#state !== "open") return;
      this.#peer.#handlers?.alive?.();
      this.#handlers?.alive?.();
    });
  }

  pause(): void {
    if (this.#state === "open") this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wire.wake();
  }

  close(code: number, reason: string): void {
    if (this.#state !== "open") return;
    this.#sayClose({ code, reason });
    this.resume();
  }

  terminate(): void {
    if (this.#state === "closed") return;
    this.#clear();
    this.#peer.#inbox.push({ tag: "gone" });
    this.#inbox = [];
    this.#wire.wake();
    // Needs nothing from the wire: not even a hole keeps it from happening.
    queueMicrotask(() => this.#finish(ABNORMAL));
  }

  /** Nothing leaves this end: what is sent waits in its buffer. */
  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    this.#wire.wake();
  }

  /** For the wire: this end sees a broken connection. */
  break(): void {
    this.#clear();
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#finish(ABNORMAL);
  }

  /** For the wire: one item arrives here, if it may. */
  moveOne(): boolean {
    this.#peer.#fillWire();
    const [item] = this.#inbox;
    if (!item || !this.#handlers || this.#paused) return false;
    const isMessage = item.tag === "message";
    if (item.tag !== "gone" && !this.#wire.admit(isMessage)) return true;
    this.#inbox.shift();
    if (item.tag === "message") this.#arrive(item.message);
    else if (item.tag === "close") this.#closeArrives(item.end);
    else this.#finish(this.#end ?? ABNORMAL);
    this.#peer.#fillWire();
    return true;
  }

  #arrive(message: string | Uint8Array): void {
    this.#inboxBytes -= sizeOf(message);
    if (sizeOf(message) > this.#wire.messageMaxBytes) return this.#refuse();
    this.#handlers?.message(message);
  }

  #refuse(): void {
    this.#clear();
    this.#peer.#inbox.push({ tag: "close", end: TOO_BIG });
    this.#finish({ ...ABNORMAL, reason: "Max payload size exceeded" });
  }

  #closeArrives(end: LinkEnd): void {
    if (this.#state === "open") {
      this.#clear();
      this.#sayClose(end);
      this.#fillWire();
    }
    this.#finish(end);
  }

  #sayClose(end: LinkEnd): void {
    this.#state = "closing";
    this.#outbox.push({ tag: "close", end });
    this.#wire.wake();
  }

  #clear(): void {
    this.#outbox = [];
    this.#outboxBytes = 0;
  }

  #finish(end: LinkEnd): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#end = end;
    this.#handlers?.closed(end);
  }

  #fillWire(): void {
    const peer = this.#peer;
    while (!this.#blocked && peer.#inboxBytes < this.#wire.capacityBytes) {
      const item = this.#outbox.shift();
      if (!item) break;
      const size = item.tag === "message" ? sizeOf(item.message) : 0;
      this.#outboxBytes -= size;
      peer.#inboxBytes += size;
      peer.#inbox.push(item);
    }
    if (!this.#congested || this.#outboxBytes > 0) return;
    this.#congested = false;
    queueMicrotask(() => {
      if (this.#state !== "closed") this.#handlers?.drain();
    });
  }
}

function sizeOf(message: string | Uint8Array): number {
  return typeof message === "string"
    ? new TextEncoder().encode(message).byteLength
    : message.byteLength;
}
