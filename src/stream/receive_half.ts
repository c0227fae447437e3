import { Fault } from "../protocol/fault.ts";
import {
  STREAM_MESSAGE_MAX_BYTES,
  WINDOW_INITIAL_BYTES,
} from "../protocol/limits.ts";
import type { EndMessage } from "../protocol/stream_message.ts";
import { ReceiveWindow } from "./receive_window.ts";
import type { WindowBudget } from "./window_budget.ts";

/**
 * What has been taken for so long is acknowledged, however little it is: on a
 * slow line a quarter of the window is half a minute, and the sender would
 * begin to doubt its link (docs/adr/0019).
 */
const ACK_AFTER_MS = 1_000;

/** What the receiving half makes happen. */
export interface ReceiveSink {
  /** Writes to the local program. False: not taken until `delivered()`. */
  deliver(chunk: Uint8Array): boolean;
  /**
   * The peer's bytes are over, and all are taken: ends that direction of the
   * local program. Not before, because no `drain` follows an end.
   */
  endLocal(): void;
  sendMessage(message: EndMessage): void;
}

/**
 * How far the peer's direction has come.
 *
 *     open --ended()--> ended --all delivered--> delivered
 *     any --close()--> closed
 */
type ReceiveState = "open" | "ended" | "delivered" | "closed";

/** The bytes that come in: counted, delivered, and acknowledged as credit. */
export class ReceiveHalf {
  readonly #sink: ReceiveSink;
  readonly #window: ReceiveWindow;
  #state: ReceiveState = "open";
  #isLinkLost = false;
  #receivedOffset = 0;
  #deliveredOffset = 0;
  #grantedOffset = 0;
  #grantedAtMs = 0;
  #saidWindowBytes = WINDOW_INITIAL_BYTES;

  constructor(sink: ReceiveSink, budget: WindowBudget) {
    this.#sink = sink;
    this.#window = new ReceiveWindow(budget);
  }

  get receivedBytes(): number {
    return this.#receivedOffset;
  }

  get windowBytes(): number {
    return this.#window.sizeBytes;
  }

  /** What a new link must tell the other end: all below it is here. */
  get resumeOffset(): number {
    return this.#receivedOffset + (this.#state === "open" ? 0 : 1);
  }

  /** The local program has all, and knows that it is all. */
  get isDelivered(): boolean {
    return this.#state === "delivered";
  }

  /** @throws {Fault} `creditExceeded`, `messageTooLarge`, `messageUnexpected`. */
  bytes(chunk: Uint8Array, nowMs: number): void {
    this.#check(chunk.byteLength);
    // Credit does not count it: a program that takes nothing gets none.
    if (chunk.byteLength === 0) return;
    const caughtUp = this.#deliveredOffset === this.#receivedOffset;
    this.#receivedOffset += chunk.byteLength;
    this.#window.received(this.#receivedOffset, nowMs);
    if (this.#sink.deliver(chunk) && caughtUp) this.delivered(nowMs);
  }

  /** @throws {Fault} `messageInvalid`, `messageUnexpected`. */
  ended(offset: number, nowMs: number): void {
    if (this.#state !== "open") {
      throw new Fault("messageUnexpected", "Cannot end a direction twice");
    }
    if (offset !== this.#receivedOffset) {
      throw new Fault("messageInvalid", "Cannot end at an offset not reached");
    }
    this.#state = "ended";
    this.#acknowledge(nowMs);
  }

  /** The local program has taken all that there is. */
  delivered(nowMs: number): void {
    this.#deliveredOffset = this.#receivedOffset;
    this.#acknowledge(nowMs);
  }

  linkLost(): void {
    this.#isLinkLost = true;
  }

  /** Says over a new link what the old one may have swallowed. */
  linkBack(nowMs: number): void {
    this.#isLinkLost = false;
    if (this.#state === "delivered") {
      return this.#sendAck(this.#receivedOffset + 1);
    }
    this.#window.grant(this.#deliveredOffset, this.#receivedOffset, nowMs);
    this.#sendAck(this.#deliveredOffset);
    this.#acknowledge(nowMs);
  }

  /** Acknowledges the end once more: something else is to be said with it. */
  repeatAck(): void {
    this.#sendAck(this.#receivedOffset + 1);
  }

  close(): void {
    this.#state = "closed";
    this.#window.release();
  }

  #check(size: number): void {
    if (size > STREAM_MESSAGE_MAX_BYTES) {
      throw new Fault(
        "messageTooLarge",
        `Cannot take ${size} bytes: limit is ${STREAM_MESSAGE_MAX_BYTES}`,
      );
    }
    if (this.#state !== "open") {
      throw new Fault("messageUnexpected", "Cannot take bytes after the end");
    }
    if (this.#receivedOffset + size > this.#window.limitOffset) {
      throw new Fault("creditExceeded", "Cannot take bytes beyond the window");
    }
  }

  /** Says how far the local program has got, when it is worth a message. */
  #acknowledge(nowMs: number): void {
    if (this.#isLinkLost) return;
    if (this.#state === "ended") return this.#deliverEnd();
    if (this.#state !== "open") return;
    const freshBytes = this.#deliveredOffset - this.#grantedOffset;
    // Of the window that the sender knows: it may have no more to send, while
    // ours has grown to a multiple of that.
    const isMuch = freshBytes >= this.#saidWindowBytes / 4;
    const isOld = freshBytes > 0 && nowMs - this.#grantedAtMs >= ACK_AFTER_MS;
    if (!isMuch && !isOld) return;
    this.#grantedAtMs = nowMs;
    this.#window.grant(this.#deliveredOffset, this.#receivedOffset, nowMs);
    this.#sendAck(this.#deliveredOffset);
  }

  #deliverEnd(): void {
    if (this.#deliveredOffset < this.#receivedOffset) return;
    this.#state = "delivered";
    this.#sink.endLocal();
    // The program may have broken off when it was told.
    if (this.isDelivered) this.#sendAck(this.#receivedOffset + 1);
  }

  #sendAck(offset: number): void {
    this.#grantedOffset = offset;
    const windowBytes = this.#window.grantedBytes;
    this.#saidWindowBytes = windowBytes;
    this.#sink.sendMessage({ type: "ack", offset, window_bytes: windowBytes });
  }
}
