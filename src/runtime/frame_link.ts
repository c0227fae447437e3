import type { Socket } from "node:net";
import {
  CLOSE_REASON_MAX_BYTES,
  CLOSE_TIMEOUT_MS,
  STREAM_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import { FAULTS } from "../protocol/fault.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";
import { lend, lendParts } from "./lent_memory.ts";
import { FrameReader, type FrameSink, OPCODES } from "./ws_frame_reader.ts";
import { type Frame, type TakeBytes, writeFrames } from "./ws_frame_writer.ts";

/** Above this, `drain` will be told when all of it has gone. */
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** Above this, a peer that pings and does not read is not answered. */
const PONG_MAX_BYTES = 1024 * 1024;

/** Up to here, a message is written at once. */
const AT_ONCE_MAX_BYTES = 2 * 1024;

/** RFC 6455 §7.4.1. */
const NO_CODE = 1005;
const ABNORMAL_CLOSE = 1006;
const TOO_LONG_CLOSE = 1009;

/** The other side is told 1009; this is what it means here. */
const TOO_LONG_END: LinkEnd = {
  code: FAULTS.messageTooLarge.closeCode,
  reason: `Cannot read message: over ${STREAM_MESSAGE_MAX_BYTES} bytes`,
};

/**
 * A link that was accepted over a socket of `node:tls`, with frames of our
 * own: the runtime's `ws` costs twice the CPU there (docs/adr/0022).
 */
export class FrameLink implements Link, FrameSink {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #handlers: LinkHandlers | undefined;
  /** We have said goodbye, or have been told one: nothing is sent any more. */
  #isClosing = false;
  /** The peer has said goodbye, or nonsense: nothing is read any more. */
  #isDeaf = false;
  /** How it ended, or will have when the socket is closed. */
  #said: LinkEnd | undefined;
  #broken: LinkEnd | undefined;
  #end: LinkEnd | undefined;
  #congested = false;
  /** What is to be sent once the socket has taken what it has. */
  readonly #queue: Frame[] = [];
  #queuedBytes = 0;
  /** To be called once the socket has taken what it has. */
  #taken: (() => void) | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over `socket` after the handshake; reads nothing until `handle`. */
  constructor(
    socket: Socket,
    head: Uint8Array,
    remoteAddress: string,
  ) {
    this.remoteAddress = remoteAddress;
    this.#socket = socket;
    this.#reader = new FrameReader(this, STREAM_MESSAGE_MAX_BYTES);
    socket.pause();
    if (head.length > 0) socket.unshift(head);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  handle(handlers: LinkHandlers): void {
    const first = this.#handlers === undefined;
    this.#handlers = handlers;
    if (first && !this.#end) {
      this.#socket.on("data", this.#onData);
      this.#socket.resume();
    }
    if (this.#end) handlers.closed(this.#end);
  }

  send(message: string | Uint8Array): void {
    if (this.#isClosing) return;
    if (typeof message === "string") {
      this.#write(OPCODES.text, Buffer.from(message));
    } else this.#write(OPCODES.binary, message);
    if (this.bufferedBytes > DRAIN_ABOVE_BYTES) this.#congested = true;
  }

  ping(): void {
    if (!this.#isClosing) this.#write(OPCODES.ping, new Uint8Array(0));
  }

  pause(): void {
    if (!this.#isClosing) this.#socket.pause();
  }

  resume(): void {
    if (this.#handlers) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#goodbye(code, reason);
    // A paused socket would never read the answer to its goodbye.
    this.#socket.resume();
  }

  terminate(): void {
    this.#isClosing = true;
    this.#socket.destroy();
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
      ? TOO_LONG_END
      : { code: ABNORMAL_CLOSE, reason: why };
    this.#hangUp(code, "");
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
    this.#closeTimer = setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS);
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
    else if (this.#queue.length === 1) queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    const socket = this.#socket;
    while (!this.#taken && socket.writable && this.#queue.length > 0) {
      this.#queuedBytes -= writeFrames(this.#queue, this.#take);
    }
    const isDone = this.#queue.length === 0;
    if (this.#isDeaf && isDone && socket.writable) socket.end();
  };

  readonly #take: TakeBytes = (bytes, done) => {
    this.#socket.write(bytes, this.#onTaken);
    if (this.#socket.writableLength === 0) return true;
    this.#taken = done;
    return false;
  };

  readonly #onTaken = (): void => {
    if (!this.#taken || this.#socket.writableLength > 0) return;
    this.#taken();
    this.#taken = undefined;
    this.#flush();
    if (!this.#congested || this.bufferedBytes > 0) return;
    this.#congested = false;
    this.#handlers?.drain();
  };

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#isDeaf) return;
    lendParts(chunk, () => this.#reader.push(chunk));
  };

  readonly #onEnd = (): void => {
    this.#isClosing = true;
    this.#socket.end();
  };

  readonly #onError = (error: Error): void => {
    this.#broken ??= { code: ABNORMAL_CLOSE, reason: error.message };
  };

  readonly #onClose = (): void => {
    clearTimeout(this.#closeTimer);
    const lost = { code: ABNORMAL_CLOSE, reason: "" };
    this.#end = this.#said ?? this.#broken ?? lost;
    this.#handlers?.closed(this.#end);
  };
}
