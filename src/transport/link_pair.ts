import { STREAM_MESSAGE_MAX_BYTES } from "../protocol/limits.ts";
import type { Link, LinkEnd, LinkHandlers } from "./link.ts";

/** Above this, `drain` will be told when all of it has been read. */
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** RFC 6455 §7.4.1: there was no goodbye. */
const ABNORMAL: LinkEnd = { code: 1006, reason: "" };

/** RFC 6455 §7.4.1: a message was longer than its hearer allows. */
const TOO_BIG: LinkEnd = { code: 1009, reason: "" };

/**
 * Returns the two ends of a link that never leaves this process, so that a
 * gateway can itself be the end of a stream, in the place of a peer that
 * speaks protocol 1.
 */
export function linkPair(): [Link, Link] {
  const near = new PairedLink();
  const far = new PairedLink();
  near.join(far);
  far.join(near);
  return [near, far];
}

type Item = string | Uint8Array | { readonly end: LinkEnd };

/** What is sent by one end lies in the other's inbox until it is read. */
class PairedLink implements Link {
  readonly remoteAddress = "this process";
  #peer: PairedLink = this;
  #handlers: LinkHandlers | undefined;
  readonly #inbox: Item[] = [];
  #inboxBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  /** The peer has more under way than it should, and waits for a drain. */
  #isCongested = false;
  #isClosing = false;
  #end: LinkEnd | undefined;

  join(peer: PairedLink): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#peer.#inboxBytes;
  }

  handle(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    if (this.#end) handlers.closed(this.#end);
    else this.#schedule();
  }

  send(message: string | Uint8Array): void {
    if (this.#isClosing || this.#end) return;
    if (message.length > STREAM_MESSAGE_MAX_BYTES) {
      this.#peer.#take({ end: TOO_BIG });
      return;
    }
    const peer = this.#peer;
    peer.#inboxBytes += message.length;
    if (peer.#inboxBytes > DRAIN_ABOVE_BYTES) peer.#isCongested = true;
    // As everywhere: the sender may use its buffer again, the hearer keep it.
    peer.#take(typeof message === "string" ? message : message.slice());
  }

  ping(): void {
    // One process: whoever can send a ping is there to see it answered.
    queueMicrotask(() => {
      if (this.#end || this.#peer.#end) return;
      this.#peer.#handlers?.alive?.();
      this.#handlers?.alive?.();
    });
  }

  pause(): void {
    if (!this.#isClosing) this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing || this.#end) return;
    this.#isClosing = true;
    const end = { code, reason };
    // The goodbye comes after what is queued, and is heard on both sides.
    this.#peer.#take({ end });
    this.resume();
  }

  terminate(): void {
    for (const link of [this, this.#peer]) {
      link.#inbox.length = 0;
      link.#inboxBytes = 0;
      queueMicrotask(() => link.#finish(ABNORMAL));
    }
  }

  #take(item: Item): void {
    this.#inbox.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#inbox.length === 0) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#handlers && !this.#isPaused && !this.#end) {
      const item = this.#inbox.shift();
      if (item === undefined) break;
      if (typeof item === "object" && "end" in item) {
        this.#peer.#finish(item.end);
        return this.#finish(item.end);
      }
      this.#inboxBytes -= item.length;
      this.#handlers.message(item);
    }
    if (!this.#isCongested || this.#inboxBytes > 0) return;
    this.#isCongested = false;
    if (!this.#peer.#end) this.#peer.#handlers?.drain();
  }

  #finish(end: LinkEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#inbox.length = 0;
    this.#handlers?.closed(end);
  }
}
