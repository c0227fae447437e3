import { plainText } from "../base/text.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import {
  FAULT_MESSAGE_MAX_CHARS,
  STREAM_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import type { EndMessage } from "../protocol/stream_message.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { ReplayBuffer } from "./replay_buffer.ts";
import { SendQueue } from "./send_queue.ts";
import type { WindowBudget } from "./window_budget.ts";

/** What a stream end makes happen. Called in order, never re-entered. */
export interface StreamSink {
  /** Sends stream bytes, at most STREAM_MESSAGE_MAX_BYTES. */
  sendBytes(chunk: Uint8Array): void;
  sendMessage(message: EndMessage): void;
  /** Writes to the local program. False: not taken until `delivered()`. */
  deliver(chunk: Uint8Array): boolean;
  /**
   * The peer's bytes are over, and all are taken: ends that direction of the
   * local program. Not before, because no `drain` follows an end.
   */
  endLocal(): void;
  pauseLocal(): void;
  resumeLocal(): void;
  /** The last call. With a fault, both sides must be told it was no end. */
  finished(fault: Fault | undefined): void;
}

/** How far our own direction has come. */
type SendState = "open" | "ending" | "ended" | "acknowledged";

/** How far the peer's direction has come. */
type ReceiveState = "open" | "ended" | "delivered";

/**
 * One of the two ends that own a stream: bytes of a local program on one
 * side, messages of a link on the other, credit by offset between them.
 * No I/O, no clock: time comes in as `nowMs`.
 *
 * The end of a direction counts as one, as TCP's FIN does (RFC 9293 §3.4):
 * an acknowledgement of the last offset plus one says that the end was heard.
 */
export class StreamEnd {
  readonly #sink: StreamSink;
  readonly #window: ReceiveWindow;
  readonly #queue = new SendQueue();
  readonly #replay = new ReplayBuffer();

  /** Whether there is a link that has told us how far the other end is. */
  #linkState: "up" | "lost" = "up";
  /** The local program broke off while there was no link to say so. */
  #untold: Fault | undefined;
  #sendState: SendState = "open";
  #sentOffset = 0;
  #acknowledgedOffset = 0;
  #limitOffset: number;
  #linkReady = true;
  #localReading = true;

  #receiveState: ReceiveState = "open";
  #receivedOffset = 0;
  #deliveredOffset = 0;
  #grantedOffset = 0;

  #finished = false;

  constructor(sink: StreamSink, budget: WindowBudget) {
    this.#sink = sink;
    this.#window = new ReceiveWindow(budget);
    this.#limitOffset = this.#window.limitOffset;
  }

  /** Bytes sent, received, and the window granted at present. */
  get counts(): {
    sentBytes: number;
    receivedBytes: number;
    windowBytes: number;
  } {
    return {
      sentBytes: this.#sentOffset,
      receivedBytes: this.#receivedOffset,
      windowBytes: this.#window.sizeBytes,
    };
  }

  /** What a new link must tell the other end: all below it is here. */
  get resumeOffset(): number {
    return this.#receivedOffset + (this.#receiveState === "open" ? 0 : 1);
  }

  /** Bytes that are kept for a new link. */
  get replayBytes(): number {
    return this.#replay.bytes;
  }

  /** The local program wrote `chunk`. */
  localBytes(chunk: Uint8Array): void {
    if (this.#finished || this.#sendState !== "open") return;
    this.#queue.push(chunk);
    this.#pump();
  }

  /** The local program will write no more. */
  localEnd(): void {
    if (this.#finished || this.#sendState !== "open") return;
    this.#sendState = "ending";
    this.#pump();
  }

  /** The local program broke off, or is to be told to. */
  localFailed(fault: Fault): void {
    if (this.#finished) return;
    if (this.#linkState === "lost") {
      this.#untold ??= fault;
      return;
    }
    this.#sink.sendMessage({
      type: "reset",
      code: fault.code,
      // A longer one would make the peer hear `messageInvalid` instead.
      message: plainText(fault.message, FAULT_MESSAGE_MAX_CHARS),
    });
    this.#finish(fault);
  }

  /** All that `deliver()` did not take at once has been taken now. */
  delivered(nowMs: number): void {
    this.#deliveredOffset = this.#receivedOffset;
    this.#acknowledge(nowMs);
  }

  /** The link is gone, and another may come: nothing is lost meanwhile. */
  linkLost(): void {
    if (this.#finished) return;
    this.#linkState = "lost";
    this.#pump();
  }

  /**
   * A new link is here, over which the other end says that all below
   * `offset` has reached it. Sends the rest once more, and goes on.
   *
   * @throws {Fault} `messageInvalid` if that cannot be.
   */
  linkBack(offset: number, nowMs: number): void {
    if (this.#finished) return;
    if (offset < this.#acknowledgedOffset || offset > this.#endOffset) {
      throw new Fault("messageInvalid", "Cannot resume at an offset not sent");
    }
    this.#linkState = "up";
    this.#linkReady = true;
    if (this.#untold) return this.localFailed(this.#untold);
    for (const chunk of this.#replay.from(offset)) this.#sink.sendBytes(chunk);
    if (this.#sendState === "ended" && offset < this.#endOffset) {
      this.#sink.sendMessage({ type: "end", offset: this.#sentOffset });
    }
    this.#acknowledgeAgain(nowMs);
    this.#pump();
  }

  /** The link has much to send already: hold back until it is ready. */
  linkReady(ready: boolean): void {
    this.#linkReady = ready;
    this.#pump();
  }

  /** A binary message came. @throws {Fault} `creditExceeded`, `messageTooLarge`, `messageUnexpected`. */
  peerBytes(chunk: Uint8Array, nowMs: number): void {
    if (this.#finished) return;
    this.#checkPeerBytes(chunk.byteLength);
    // Credit does not count it: a program that takes nothing gets none.
    if (chunk.byteLength === 0) return;
    this.#receivedOffset += chunk.byteLength;
    this.#window.received(this.#receivedOffset, nowMs);
    const caughtUp = this.#deliveredOffset ===
      this.#receivedOffset - chunk.byteLength;
    if (this.#sink.deliver(chunk) && caughtUp) {
      this.#deliveredOffset = this.#receivedOffset;
      this.#acknowledge(nowMs);
    }
  }

  /** A text message of the other end came. @throws {Fault} `messageInvalid`, `messageUnexpected`. */
  peerMessage(message: EndMessage, nowMs: number): void {
    if (this.#finished) return;
    switch (message.type) {
      case "ack":
        return this.#peerAcknowledged(message.offset, message.window_bytes);
      case "end":
        return this.#peerEnded(message.offset, nowMs);
      case "reset":
        return this.#finish(
          new Fault(
            message.code as FaultCode,
            plainText(message.message, FAULT_MESSAGE_MAX_CHARS),
          ),
        );
      default:
        return message satisfies never;
    }
  }

  /** The other end has said goodbye, which only our last words can have made it do. */
  peerFinished(): void {
    const isAllSent = this.#sendState === "ended" ||
      this.#sendState === "acknowledged";
    if (isAllSent && this.#receiveState === "delivered") {
      this.#finish(undefined);
    }
  }

  /** Stops without a word: the link is gone and nothing can be said. */
  abandon(fault: Fault): void {
    this.#finish(fault);
  }

  #checkPeerBytes(size: number): void {
    if (size > STREAM_MESSAGE_MAX_BYTES) {
      throw new Fault(
        "messageTooLarge",
        `Cannot take ${size} bytes: limit is ${STREAM_MESSAGE_MAX_BYTES}`,
      );
    }
    if (this.#receiveState !== "open") {
      throw new Fault("messageUnexpected", "Cannot take bytes after the end");
    }
    if (this.#receivedOffset + size > this.#window.limitOffset) {
      throw new Fault("creditExceeded", "Cannot take bytes beyond the window");
    }
  }

  #peerAcknowledged(offset: number, windowBytes: number): void {
    const endOffset = this.#endOffset;
    if (offset < this.#acknowledgedOffset) {
      throw new Fault("messageInvalid", "Cannot take back an acknowledgement");
    }
    if (offset > endOffset) {
      throw new Fault("messageInvalid", "Cannot acknowledge what was not sent");
    }
    this.#acknowledgedOffset = offset;
    this.#replay.trim(offset);
    this.#limitOffset = Math.max(this.#limitOffset, offset + windowBytes);
    if (this.#sendState === "ended" && offset === endOffset) {
      this.#sendState = "acknowledged";
      this.#finishIfDone();
    }
    this.#pump();
  }

  #peerEnded(offset: number, nowMs: number): void {
    if (this.#receiveState !== "open") {
      throw new Fault("messageUnexpected", "Cannot end a direction twice");
    }
    if (offset !== this.#receivedOffset) {
      throw new Fault("messageInvalid", "Cannot end at an offset not reached");
    }
    this.#receiveState = "ended";
    this.#acknowledge(nowMs);
  }

  /** Sends what credit and the link allow, then lets the program go on or not. */
  #pump(): void {
    if (this.#finished) return;
    while (this.#linkReady && this.#linkState === "up") {
      const room = this.#limitOffset - this.#sentOffset;
      const chunk = this.#queue.take(room);
      if (!chunk) break;
      this.#sentOffset += chunk.byteLength;
      this.#replay.push(chunk);
      this.#sink.sendBytes(chunk);
    }
    const mayEnd = this.#queue.bytes === 0 && this.#linkState === "up";
    if (this.#sendState === "ending" && mayEnd) {
      this.#sendState = "ended";
      this.#sink.sendMessage({ type: "end", offset: this.#sentOffset });
    }
    this.#setLocalReading(this.#queue.bytes === 0);
  }

  #setLocalReading(reading: boolean): void {
    if (reading === this.#localReading) return;
    this.#localReading = reading;
    if (reading) this.#sink.resumeLocal();
    else this.#sink.pauseLocal();
  }

  /** Says how far the local program has got, when it is worth a message. */
  #acknowledge(nowMs: number): void {
    if (this.#finished || this.#receiveState === "delivered") return;
    if (this.#linkState === "lost") return;
    if (this.#receiveState === "ended") {
      if (this.#deliveredOffset < this.#receivedOffset) return;
      this.#receiveState = "delivered";
      this.#sink.endLocal();
      // The program may have broken off when it was told.
      if (this.#finished) return;
      this.#sendAck(this.#receivedOffset + 1);
      return this.#finishIfDone();
    }
    const freshBytes = this.#deliveredOffset - this.#grantedOffset;
    if (freshBytes < this.#window.sizeBytes / 4) return;
    this.#window.grant(this.#deliveredOffset, this.#receivedOffset, nowMs);
    this.#sendAck(this.#deliveredOffset);
  }

  /** Says over a new link what the old one may have swallowed. */
  #acknowledgeAgain(nowMs: number): void {
    if (this.#receiveState === "delivered") {
      return this.#sendAck(this.#receivedOffset + 1);
    }
    this.#window.grant(this.#deliveredOffset, this.#receivedOffset, nowMs);
    this.#sendAck(this.#deliveredOffset);
    this.#acknowledge(nowMs);
  }

  /** How far our direction has come, with the end that counts as one. */
  get #endOffset(): number {
    const isEndSent = this.#sendState === "ended" ||
      this.#sendState === "acknowledged";
    return this.#sentOffset + (isEndSent ? 1 : 0);
  }

  #sendAck(offset: number): void {
    this.#grantedOffset = offset;
    const windowBytes = this.#window.sizeBytes;
    this.#sink.sendMessage({ type: "ack", offset, window_bytes: windowBytes });
  }

  #finishIfDone(): void {
    if (this.#sendState !== "acknowledged") return;
    if (this.#receiveState === "delivered") this.#finish(undefined);
  }

  #finish(fault: Fault | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#queue.clear();
    this.#replay.clear();
    this.#window.release();
    this.#sink.finished(fault);
  }
}
