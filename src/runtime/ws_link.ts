import type { WebSocket } from "ws";
import { noteRead } from "../base/read_memory.ts";
import { FAULTS } from "../protocol/fault.ts";
import {
  CLOSE_TIMEOUT_MS,
  STREAM_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";

/** Above this, `drain` will be told when all of it has gone. */
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** What may come between a handshake and {@linkcode Link.handle}. */
const EARLY_MAX_COUNT = 64;

/** RFC 6455 §7.4.1: there was no close frame from the other side. */
const ABNORMAL_CLOSE = 1006;

/** What `ws` says of a frame above `maxPayload`. */
const TOO_LONG_ERROR = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";

/** The other side is told 1009; this is what it means here. */
const TOO_LONG_END: LinkEnd = {
  code: FAULTS.messageTooLarge.closeCode,
  reason: `Cannot read message: over ${STREAM_MESSAGE_MAX_BYTES} bytes`,
};

/** A link over one WebSocket of Bun's own `ws`, dialed or accepted. */
export class WsLink implements Link {
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  readonly #early: (string | Uint8Array)[] = [];
  #handlers: LinkHandlers | undefined;
  #end: LinkEnd | undefined;
  /** What broke the link off, if `ws` has said it. */
  #broken: LinkEnd | undefined;
  #congested = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over `socket`, which must be open; reads nothing until `handle`. */
  constructor(socket: WebSocket, remoteAddress: string) {
    this.remoteAddress = remoteAddress;
    this.#socket = socket;
    socket.on("message", this.#onMessage);
    socket.on("close", this.#onClose);
    // An error is followed by a close, sooner or later: that is what we tell.
    socket.on("error", this.#onError);
    socket.on("ping", this.#onAlive);
    socket.on("pong", this.#onAlive);
    socket.pause();
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  handle(handlers: LinkHandlers): void {
    const first = this.#handlers === undefined;
    this.#handlers = handlers;
    // One by one: a message may make its hearer hand the link on.
    while (this.#handlers === handlers) {
      const message = this.#early.shift();
      if (message === undefined) break;
      handlers.message(message);
    }
    if (first) this.#socket.resume();
    if (this.#end && this.#handlers === handlers) handlers.closed(this.#end);
  }

  send(message: string | Uint8Array): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return;
    socket.send(message, this.#onSent);
    if (socket.bufferedAmount > DRAIN_ABOVE_BYTES) this.#congested = true;
  }

  ping(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  pause(): void {
    if (!this.#closeTimer) this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN || this.#closeTimer) return;
    socket.close(code, reason);
    // A paused socket would never read the answer to its goodbye.
    socket.resume();
    this.#closeTimer = this.#cutLater();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #cutLater(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    // `ws` hands out Buffers, each with memory of its own.
    const bytes = data as Buffer;
    noteRead(bytes);
    const message = isBinary ? bytes : bytes.toString("utf8");
    if (this.#handlers) return this.#handlers.message(message);
    this.#early.push(message);
    if (this.#early.length > EARLY_MAX_COUNT) this.#socket.terminate();
  };

  readonly #onAlive = (): void => {
    this.#handlers?.alive?.();
  };

  readonly #onSent = (): void => {
    if (!this.#congested || this.#socket.bufferedAmount > 0) return;
    this.#congested = false;
    this.#handlers?.drain();
  };

  readonly #onError = (error: Error & { code?: unknown }): void => {
    this.#broken = error.code === TOO_LONG_ERROR
      ? TOO_LONG_END
      : { code: ABNORMAL_CLOSE, reason: error.message };
    // It was told, and is to leave: until then, all it sends is dropped.
    this.#closeTimer ??= this.#cutLater();
  };

  readonly #onClose = (code: number, reason: Uint8Array | string): void => {
    clearTimeout(this.#closeTimer);
    const text = typeof reason === "string"
      ? reason
      : new TextDecoder().decode(reason);
    const isTold = code !== ABNORMAL_CLOSE || text !== "";
    const broken = isTold ? undefined : this.#broken;
    this.#end = broken ?? { code, reason: text };
    this.#handlers?.closed(this.#end);
  };
}
