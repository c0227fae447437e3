import {
  CLOSE_REASON_MAX_BYTES,
  CLOSE_TIMEOUT_MS,
  STREAM_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import { FAULTS } from "../protocol/fault.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";
import { lend, lendParts } from "./lent_memory.ts";
import { plainAddress } from "./plain_address.ts";
import type { RawSocket, SocketOwner } from "./raw_socket.ts";
import { FrameReader, type FrameSink, OPCODES } from "./ws_frame_reader.ts";
import { type Frame, writeFrames } from "./ws_frame_writer.ts";

/** Above this, `drain` will be told when all of it has gone. */
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** Above this, a peer that pings and does not read is not answered. */
const PONG_MAX_BYTES = 1024 * 1024;

/** Up to here, a message is written at once. */
const AT_ONCE_MAX_BYTES = 2 * 1024;

const NOTHING = new Uint8Array(0);

/** RFC 6455 §7.4.1. */
const NO_CODE = 1005;
const ABNORMAL_CLOSE = 1006;
const TOO_LONG_CLOSE = 1009;

/** What the kernel has not taken of a write. */
interface Unwritten {
  readonly bytes: Uint8Array;
  /** To be called when it has taken all of it. */
  readonly done: () => void;
}

/**
 * A link that was accepted over a connection of the runtime's own, with frames
 * of ours: `ws` costs twice the CPU there, and many times the memory
 * (docs/adr/0022, 0023).
 */
export class FrameLink implements Link, FrameSink, SocketOwner {
  readonly remoteAddress: string;
  readonly #socket: RawSocket;
  readonly #reader: FrameReader;
  #handlers: LinkHandlers | undefined;
  /** What came before there were any; undefined: nothing. */
  #early: Uint8Array[] | undefined;
  #isPaused = false;
  /** We have said goodbye, or have been told one: nothing is sent any more. */
  #isClosing = false;
  /** The peer has said goodbye, or nonsense: nothing is read any more. */
  #isDeaf = false;
  #hasPeerEnded = false;
  /** How it ended, or will have when the connection is closed. */
  #said: LinkEnd | undefined;
  #broken: LinkEnd | undefined;
  #end: LinkEnd | undefined;
  #isEndTold = false;
  #congested = false;
  /** What is to be sent once the kernel has taken what is unwritten. */
  readonly #queue: Frame[] = [];
  #queuedBytes = 0;
  #unwritten: Unwritten | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Takes over `socket` after the handshake; reads nothing until `handle`.
   *
   * @param head What came behind the request for a handshake.
   * @param maxBytes Longest message that it takes.
   */
  constructor(
    socket: RawSocket,
    head: readonly Uint8Array[],
    maxBytes: number = STREAM_MESSAGE_MAX_BYTES,
  ) {
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.#socket = socket;
    this.#reader = new FrameReader(this, maxBytes);
    if (head.length > 0) this.#early = [...head];
    socket.data = this;
    socket.pause();
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + (this.#unwritten?.bytes.length ?? 0);
  }

  handle(handlers: LinkHandlers): void {
    const first = this.#handlers === undefined;
    this.#handlers = handlers;
    if (first) this.#begin();
    if (this.#isEndTold) this.#tellEnd();
  }

  send(message: string | Uint8Array): void {
    if (this.#isClosing) return;
    if (typeof message === "string") {
      this.#write(OPCODES.text, Buffer.from(message));
    } else this.#write(OPCODES.binary, message);
    if (this.bufferedBytes > DRAIN_ABOVE_BYTES) this.#congested = true;
  }

  ping(): void {
    if (!this.#isClosing) this.#write(OPCODES.ping, NOTHING);
  }

  pause(): void {
    if (this.#isClosing) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#handlers) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#goodbye(code, reason);
    this.#readEarly();
    // A paused socket would never read the answer to its goodbye.
    this.#socket.resume();
  }

  terminate(): void {
    this.#isClosing = true;
    this.#socket.terminate();
  }

  // From the frames.

  message(message: string | Uint8Array): void {
    if (typeof message !== "string") lend(message);
    this.#handlers?.message(message);
  }

  ponged(): void {
    this.#handlers?.alive?.();
  }

  pinged(payload: Uint8Array): void {
    if (!this.#isClosing && this.bufferedBytes <= PONG_MAX_BYTES) {
      this.#write(OPCODES.pong, new Uint8Array(payload));
    }
    this.#handlers?.alive?.();
  }

  goodbye(code: number, reason: string): void {
    this.#said = { code, reason };
    this.#hangUp(code === NO_CODE ? undefined : code, reason);
  }

  failed(code: number, why: string): void {
    this.#broken = code === TOO_LONG_CLOSE
      ? { code: FAULTS.messageTooLarge.closeCode, reason: why }
      : { code: ABNORMAL_CLOSE, reason: why };
    this.#hangUp(code, "");
  }

  // From the connection.

  received(chunk: Uint8Array): void {
    if (this.#isDeaf) return;
    const isKept = !this.#handlers && !this.#isClosing;
    if (isKept) (this.#early ??= []).push(chunk);
    else lendParts(chunk, this.#reader);
  }

  drained(): void {
    const unwritten = this.#unwritten;
    this.#unwritten = undefined;
    if (unwritten) this.#take(unwritten.bytes, unwritten.done);
    if (!this.#unwritten) unwritten?.done();
    this.#flush();
  }

  peerEnded(): void {
    this.#hasPeerEnded = this.#isDeaf = this.#isClosing = true;
    this.#closeTimer ??= this.#cutLater();
    this.#flush();
  }

  gone(error: Error | undefined): void {
    clearTimeout(this.#closeTimer);
    const lost = { code: ABNORMAL_CLOSE, reason: error?.message ?? "" };
    this.#end = this.#said ?? this.#broken ?? lost;
    this.#isClosing = true;
    // It may be our own call that closed it: no call into a call.
    queueMicrotask(() => this.#tellEnd());
  }

  #readEarly(): void {
    const early = this.#early;
    this.#early = undefined;
    for (const chunk of early ?? []) this.received(chunk);
  }

  #begin(): void {
    this.#readEarly();
    if (!this.#isPaused) this.#socket.resume();
  }

  #tellDrain(): void {
    if (!this.#congested || this.bufferedBytes > 0) return;
    this.#congested = false;
    if (!this.#end) this.#handlers?.drain();
  }

  #tellEnd(): void {
    this.#isEndTold = true;
    if (this.#end) this.#handlers?.closed(this.#end);
  }

  /** Leaves once all is written. */
  #hangUp(code: number | undefined, reason: string): void {
    this.#isDeaf = true;
    if (!this.#isClosing) this.#goodbye(code, reason);
    this.#flush();
    // What the peer still sends is read, so that the end behind it is seen.
    this.#socket.resume();
  }

  #goodbye(code: number | undefined, reason: string): void {
    const payload = Buffer.alloc(2 + CLOSE_REASON_MAX_BYTES);
    const size = code === undefined ? 0 : 2 + payload.write(reason, 2);
    if (code !== undefined) payload.writeUInt16BE(code);
    this.#write(OPCODES.close, payload.subarray(0, size));
    this.#isClosing = true;
    this.#closeTimer = this.#cutLater();
  }

  #cutLater(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS);
  }

  /**
   * Queues a frame as it came, and not as what is written: that is memory for
   * a link that waits. Long ones are written at the end of this turn, with
   * those that the same read has brought: 0.1 ms less for each megabyte.
   */
  #write(opcode: number, payload: Uint8Array): void {
    this.#queue.push({ opcode, payload });
    this.#queuedBytes += payload.length;
    // A key, and what it is answered with, wait for nothing.
    if (payload.length <= AT_ONCE_MAX_BYTES) this.#flush();
    else if (this.#queue.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    while (!this.#unwritten && this.#queue.length > 0 && !this.#end) {
      this.#queuedBytes -= writeFrames(this.#queue, this.#take);
    }
    if (this.#unwritten) return;
    // Later: it may be within the call that sends.
    if (this.#congested) queueMicrotask(() => this.#tellDrain());
    if (!this.#isDeaf) return;
    if (this.#hasPeerEnded) this.#socket.end();
    else this.#socket.shutdown();
  }

  readonly #take = (bytes: Uint8Array, done: () => void): boolean => {
    // Below nought, and for ever: it is closed.
    const takenBytes = Math.max(0, this.#socket.write(bytes));
    if (takenBytes === bytes.length) return true;
    this.#unwritten = { bytes: bytes.subarray(takenBytes), done };
    return false;
  };
}
