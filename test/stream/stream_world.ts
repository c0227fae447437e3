import { WINDOW_INITIAL_BYTES } from "../../src/protocol/limits.ts";
import type { Fault } from "../../src/protocol/fault.ts";
import type { EndMessage } from "../../src/protocol/stream_message.ts";
import { StreamEnd, type StreamSink } from "../../src/stream/stream_end.ts";
import type { WindowBudget } from "../../src/stream/window_budget.ts";

type Carried = Uint8Array | EndMessage;

/** Bytes that repeat after a prime: a shift shows up. */
const PERIOD_BYTES = 262_139;

/** Largest chunk that {@linkcode expectedBytes} can give. */
export const WRITE_MAX_BYTES = 200 * 1024;

const PATTERN = patternOf(PERIOD_BYTES);

/** Returns the bytes that belong at `offset`, as a view. */
export function expectedBytes(offset: number, size: number): Uint8Array {
  const start = offset % PERIOD_BYTES;
  return PATTERN.subarray(start, start + size);
}

function patternOf(period: number): Uint8Array {
  const bytes = new Uint8Array(period + WRITE_MAX_BYTES);
  let state = 1;
  for (let i = 0; i < period; i++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    bytes[i] = state >>> 24;
  }
  bytes.copyWithin(period, 0, WRITE_MAX_BYTES);
  return bytes;
}

/** A stream end, its program, and what is on the way to the other end. */
export class WorldSide implements StreamSink {
  readonly end: StreamEnd;
  readonly outgoing: Carried[] = [];
  /** Whether the program takes what it is given. */
  takes = true;
  writtenBytes = 0;
  hasEnded = false;
  isPaused = false;
  pauseCount = 0;
  /** What the program was given, and what it has taken of that. */
  receivedBytes = 0;
  takenBytes = 0;
  heardEnd = false;
  readonly finishes: (Fault | undefined)[] = [];
  /** Below this the other end has let us send, as far as we have heard. */
  creditOffset = WINDOW_INITIAL_BYTES;
  /** Where the next byte belongs that goes out. */
  nextOffset = 0;
  readonly #name: string;

  constructor(name: string, budget: WindowBudget) {
    this.#name = name;
    this.end = new StreamEnd(this, budget);
  }

  get isOver(): boolean {
    return this.finishes.length > 0;
  }

  write(size: number): void {
    if (this.hasEnded || this.isOver) return;
    // With memory of its own: it is given away, and freed some time.
    const chunk = expectedBytes(this.writtenBytes, size).slice();
    this.writtenBytes += size;
    this.end.localBytes(chunk);
  }

  endWriting(): void {
    if (this.hasEnded || this.isOver) return;
    this.hasEnded = true;
    this.end.localEnd();
  }

  /** The program takes all that it was given. */
  take(nowMs: number): void {
    if (this.takenBytes === this.receivedBytes) return;
    this.takenBytes = this.receivedBytes;
    this.end.delivered(nowMs);
  }

  /**
   * The next thing on the way from `peer` arrives here.
   *
   * @param share How much of its window the peer grants, 0.75 to 1: ours tells
   * of what was taken when that is a quarter of a window that may have doubled.
   */
  hear(peer: WorldSide, nowMs: number, share = 1): boolean {
    const carried = peer.outgoing.shift();
    if (!carried) return false;
    if (carried instanceof Uint8Array) this.end.peerBytes(carried, nowMs);
    else this.end.peerMessage(this.#granted(carried, share), nowMs);
    return true;
  }

  #granted(message: EndMessage, share: number): EndMessage {
    if (message.type !== "ack") return message;
    const windowBytes = Math.floor(message.window_bytes * share);
    const limitOffset = message.offset + windowBytes;
    this.creditOffset = Math.max(this.creditOffset, limitOffset);
    return { ...message, window_bytes: windowBytes };
  }

  sendBytes(chunk: Uint8Array): void {
    this.#mayBeCalled("sendBytes");
    this.nextOffset += chunk.byteLength;
    if (this.nextOffset > this.creditOffset) this.#fail("went beyond credit");
    this.outgoing.push(chunk);
  }

  sendMessage(message: EndMessage): void {
    this.#mayBeCalled("sendMessage");
    this.outgoing.push(message);
  }

  deliver(chunk: Uint8Array): boolean {
    this.#mayBeCalled("deliver");
    if (this.heardEnd) this.#fail("bytes were delivered after the end");
    const expected = expectedBytes(this.receivedBytes, chunk.byteLength);
    if (Buffer.compare(chunk, expected) !== 0) {
      this.#fail(`wrong bytes at offset ${this.receivedBytes}`);
    }
    const caughtUp = this.takenBytes === this.receivedBytes;
    this.receivedBytes += chunk.byteLength;
    if (!this.takes || !caughtUp) return false;
    this.takenBytes = this.receivedBytes;
    return true;
  }

  endLocal(): void {
    this.#mayBeCalled("endLocal");
    if (this.heardEnd) this.#fail("the end was told twice");
    if (this.takenBytes < this.receivedBytes) {
      this.#fail("the end was told before all bytes were taken");
    }
    this.heardEnd = true;
  }

  pauseLocal(): void {
    this.#mayBeCalled("pauseLocal");
    if (this.isPaused) this.#fail("was paused twice");
    this.isPaused = true;
    this.pauseCount++;
  }

  resumeLocal(): void {
    this.#mayBeCalled("resumeLocal");
    if (!this.isPaused) this.#fail("was resumed without a pause");
    this.isPaused = false;
  }

  finished(fault: Fault | undefined): void {
    this.#mayBeCalled("finished");
    this.finishes.push(fault);
  }

  #mayBeCalled(name: string): void {
    if (this.isOver) this.#fail(`${name}() was called after finished()`);
  }

  #fail(what: string): never {
    throw new Error(`${this.#name}: ${what}`);
  }
}
