import { Fault } from "../protocol/fault.ts";
import type { EndMessage } from "../protocol/stream_message.ts";
import { ReplayAllowance } from "./replay_allowance.ts";
import { ReplayBuffer } from "./replay_buffer.ts";
import { SendQueue } from "./send_queue.ts";
import type { WindowBudget } from "./window_budget.ts";

/** What the sending half makes happen. */
export interface SendSink {
  /** Sends stream bytes, at most STREAM_MESSAGE_MAX_BYTES. */
  sendBytes(chunk: Uint8Array): void;
  sendMessage(message: EndMessage): void;
  pauseLocal(): void;
  resumeLocal(): void;
}

/**
 * How far our own direction has come.
 *
 *     open --end()--> ending --all sent--> ended --ack--> acknowledged
 *     any --close()--> closed
 */
type SendState = "open" | "ending" | "ended" | "acknowledged" | "closed";

/** Whether bytes can leave: `full` and `lost` hold them back. */
type LinkState = "ready" | "full" | "lost";

/**
 * The bytes that go out: held back by credit and by the link, kept until they
 * are acknowledged, so that a new link can carry them once more.
 */
export class SendHalf {
  readonly #sink: SendSink;
  readonly #queue = new SendQueue();
  readonly #replay = new ReplayBuffer();
  readonly #allowance: ReplayAllowance;
  #state: SendState = "open";
  #link: LinkState = "ready";
  #sentOffset = 0;
  #acknowledgedOffset = 0;
  #limitOffset: number;
  #localReading = true;

  /** @param limitOffset What may be sent before the first acknowledgement. */
  constructor(sink: SendSink, limitOffset: number, budget: WindowBudget) {
    this.#sink = sink;
    this.#limitOffset = limitOffset;
    this.#allowance = new ReplayAllowance(budget);
  }

  get sentBytes(): number {
    return this.#sentOffset;
  }

  /** Bytes that are kept for a new link. */
  get replayBytes(): number {
    return this.#replay.bytes;
  }

  /** All was sent, the end too. */
  get isAllSent(): boolean {
    return this.#state === "ended" || this.#state === "acknowledged";
  }

  /** The other end has all, and has heard that it is all. */
  get isAcknowledged(): boolean {
    return this.#state === "acknowledged";
  }

  bytes(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#queue.push(chunk);
    this.#pump();
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#pump();
  }

  /** The link has much to send already, or no longer. */
  linkReady(ready: boolean): void {
    if (this.#link === "lost") return;
    this.#link = ready ? "ready" : "full";
    this.#pump();
  }

  linkLost(): void {
    this.#link = "lost";
    this.#pump();
  }

  /** Throws `messageInvalid` if the other end cannot have `offset`. */
  checkResume(offset: number): void {
    if (offset >= this.#acknowledgedOffset && offset <= this.#endOffset) return;
    throw new Fault("messageInvalid", "Cannot resume at an offset not sent");
  }

  /** A new link is here; the other end has all below `offset`. */
  linkBack(offset: number): void {
    // Before the link counts as ready: `linkReady()`, called meanwhile, would
    // let fresh bytes or the end overtake these.
    for (const chunk of this.#replay.from(offset)) this.#sink.sendBytes(chunk);
    this.#link = "ready";
    if (this.#state === "ended" && offset < this.#endOffset) this.#sendEnd();
    this.#pump();
  }

  /** @throws {Fault} `messageInvalid`. */
  acknowledged(offset: number, windowBytes: number): void {
    if (offset < this.#acknowledgedOffset) {
      throw new Fault("messageInvalid", "Cannot take back an acknowledgement");
    }
    if (offset > this.#endOffset) {
      throw new Fault("messageInvalid", "Cannot acknowledge what was not sent");
    }
    this.#acknowledgedOffset = offset;
    this.#replay.trim(offset);
    this.#limitOffset = Math.max(this.#limitOffset, offset + windowBytes);
    this.#allowance.granted(windowBytes);
    const isAll = this.#state === "ended" && offset === this.#endOffset;
    if (isAll) this.#state = "acknowledged";
    this.#pump();
  }

  close(): void {
    this.#state = "closed";
    this.#queue.clear();
    this.#replay.clear();
    this.#allowance.release();
  }

  /** How far this direction has come, with the end that counts as one. */
  get #endOffset(): number {
    return this.#sentOffset + (this.isAllSent ? 1 : 0);
  }

  /** Sends what credit and the link allow, then lets the program go on or not. */
  #pump(): void {
    if (this.#state === "closed") return;
    while (this.#link === "ready") {
      const credit = this.#limitOffset - this.#sentOffset;
      const kept = this.#allowance.sizeBytes - this.#replay.bytes;
      const room = Math.min(credit, kept);
      const chunk = this.#queue.take(room);
      if (!chunk) break;
      this.#sentOffset += chunk.byteLength;
      this.#replay.push(chunk);
      this.#sink.sendBytes(chunk);
    }
    const mayEnd = this.#queue.bytes === 0 && this.#link !== "lost";
    if (this.#state === "ending" && mayEnd) {
      this.#state = "ended";
      this.#sendEnd();
    }
    this.#setLocalReading(this.#queue.bytes === 0);
  }

  #sendEnd(): void {
    this.#sink.sendMessage({ type: "end", offset: this.#sentOffset });
  }

  #setLocalReading(reading: boolean): void {
    if (reading === this.#localReading) return;
    this.#localReading = reading;
    if (reading) this.#sink.resumeLocal();
    else this.#sink.pauseLocal();
  }
}
