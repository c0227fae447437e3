import { plainText } from "../base/text.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { FAULT_HINTS } from "../protocol/fault_hint.ts";
import {
  FAULT_MESSAGE_MAX_CHARS,
  WINDOW_INITIAL_BYTES,
} from "../protocol/limits.ts";
import type { EndMessage } from "../protocol/stream_message.ts";
import { ReceiveHalf, type ReceiveSink } from "./receive_half.ts";
import { SendHalf, type SendSink } from "./send_half.ts";
import type { WindowBudget } from "./window_budget.ts";

/** What a stream end makes happen. Called in order, never re-entered. */
export interface StreamSink extends SendSink, ReceiveSink {
  /** The last call. With a fault, both sides must be told it was no end. */
  finished(fault: Fault | undefined): void;
}

/** Whether there is a link that has told us how far the other end is. */
type LinkState = "up" | "lost";

/**
 * One of the two ends that own a stream: bytes of a local program on one
 * side, messages of a link on the other, credit by offset between them. A
 * link may be lost and another come: nothing is lost or doubled by that.
 * No I/O, no clock: time comes in as `nowMs`.
 *
 * The end of a direction counts as one, as TCP's FIN does (RFC 9293 §3.4):
 * an acknowledgement of the last offset plus one says that the end was heard.
 */
export class StreamEnd {
  readonly #sink: StreamSink;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;
  #link: LinkState = "up";
  /** Whether we have said, and heard, that all is there. */
  #saidComplete = false;
  #heardComplete = false;
  /** The local program broke off while there was no link to say so. */
  #untold: Fault | undefined;
  #finished = false;

  /**
   * @param budget What this end's windows may take, of those it grants.
   * @param sendBudget What it may keep of what it sends, if the other end
   * grants as much; both may be one.
   */
  constructor(
    sink: StreamSink,
    budget: WindowBudget,
    sendBudget: WindowBudget = budget,
  ) {
    this.#sink = sink;
    this.#send = new SendHalf(sink, WINDOW_INITIAL_BYTES, sendBudget);
    this.#receive = new ReceiveHalf({
      deliver: (chunk) => sink.deliver(chunk),
      endLocal: () => sink.endLocal(),
      sendMessage: (message) => sink.sendMessage(this.#signed(message)),
    }, budget);
  }

  /** The other end has said that it needs nothing more of us. */
  get isPeerComplete(): boolean {
    return this.#heardComplete;
  }

  /** Bytes sent, received, kept for a new link, and the window granted. */
  get counts(): {
    sentBytes: number;
    receivedBytes: number;
    replayBytes: number;
    windowBytes: number;
  } {
    return {
      sentBytes: this.#send.sentBytes,
      receivedBytes: this.#receive.receivedBytes,
      replayBytes: this.#send.replayBytes,
      windowBytes: this.#receive.windowBytes,
    };
  }

  /** What a new link must tell the other end: all below it is here. */
  get resumeOffset(): number {
    return this.#receive.resumeOffset;
  }

  /** The local program wrote `chunk`. */
  localBytes(chunk: Uint8Array): void {
    if (!this.#finished) this.#send.bytes(chunk);
  }

  /** The local program will write no more. */
  localEnd(): void {
    if (!this.#finished) this.#send.end();
  }

  /** The local program broke off, or is to be told to. */
  localFailed(fault: Fault): void {
    if (this.#finished) return;
    if (this.#link === "lost") {
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
    if (this.#finished) return;
    this.#receive.delivered(nowMs);
    this.#finishIfDone();
  }

  /** The link has much to send already: hold back until it is ready. */
  linkReady(ready: boolean): void {
    if (!this.#finished) this.#send.linkReady(ready);
  }

  /** The link is gone, and another may come: nothing is lost meanwhile. */
  linkLost(): void {
    if (this.#finished) return;
    this.#link = "lost";
    this.#receive.linkLost();
    this.#send.linkLost();
  }

  /**
   * A new link is here, over which the other end says that all below
   * `offset` has reached it. Sends the rest once more, and goes on.
   *
   * @throws {Fault} `messageInvalid` if that cannot be.
   */
  linkBack(offset: number, nowMs: number): void {
    if (this.#finished) return;
    // Even if it cannot be: the other end is there to be told.
    this.#link = "up";
    this.#send.checkResume(offset);
    if (this.#untold) return this.localFailed(this.#untold);
    // First how far we are: bytes may be many, and the other end waits.
    this.#receive.linkBack(nowMs);
    if (!this.#finished) this.#send.linkBack(offset);
    this.#finishIfDone();
  }

  /** A binary message came. @throws {Fault} `creditExceeded`, `messageTooLarge`, `messageUnexpected`. */
  peerBytes(chunk: Uint8Array, nowMs: number): void {
    if (!this.#finished) this.#receive.bytes(chunk, nowMs);
  }

  /** A text message of the other end came. @throws {Fault} `messageInvalid`, `messageUnexpected`. */
  peerMessage(message: EndMessage, nowMs: number): void {
    if (this.#finished) return;
    switch (message.type) {
      case "ack":
        this.#heardComplete ||= message.complete === true;
        this.#send.acknowledged(message.offset, message.window_bytes);
        return this.#finishIfDone();
      case "end":
        this.#receive.ended(message.offset, nowMs);
        return this.#finishIfDone();
      case "reset": {
        const code = message.code as FaultCode;
        const said = plainText(message.message, FAULT_MESSAGE_MAX_CHARS);
        const hint = FAULT_HINTS[code];
        return this.#finish(new Fault(code, said, { hint }));
      }
      default:
        return message satisfies never;
    }
  }

  /**
   * The other end has said goodbye, which it does when it has heard all and
   * knows that we have: only its last word can have been lost. If more was,
   * it will not come back for that.
   */
  peerFinished(): void {
    const isAll = this.#send.isAllSent && this.#receive.isDelivered;
    this.#heardComplete = true;
    const early = new Fault(
      "linkLost",
      "The other end left before all was said",
    );
    this.#finish(this.#untold ?? (isAll ? undefined : early));
  }

  /** Stops without a word: the link is gone and nothing can be said. */
  abandon(fault: Fault): void {
    this.#finish(fault);
  }

  #finishIfDone(): void {
    if (!this.#isComplete) return;
    // Two that end at once have acknowledged before they knew.
    if (!this.#saidComplete && !this.#heardComplete) this.#receive.repeatAck();
    this.#finish(undefined);
  }

  get #isComplete(): boolean {
    return this.#send.isAcknowledged && this.#receive.isDelivered;
  }

  /** Says with our last acknowledgement that we need nothing more. */
  #signed(message: EndMessage): EndMessage {
    if (message.type !== "ack" || !this.#isComplete) return message;
    this.#saidComplete = true;
    return { ...message, complete: true };
  }

  #finish(fault: Fault | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#send.close();
    this.#receive.close();
    this.#sink.finished(fault);
  }
}
