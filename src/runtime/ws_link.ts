import type { WebSocket } from "ws";
import { CLOSE_TIMEOUT_MS } from "../protocol/limits.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";

/** Above this, `drain` will be told when all of it has gone. */
const DRAIN_ABOVE_BYTES = 64 * 1024;

/** What may come between a handshake and {@linkcode Link.handle}. */
const EARLY_MAX_COUNT = 64;

/** A link over one WebSocket of Bun's own `ws`, dialed or accepted. */
export class WsLink implements Link {
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  readonly #early: (string | Uint8Array)[] = [];
  #handlers: LinkHandlers | undefined;
  #end: LinkEnd | undefined;
  #errorText = "";
  #congested = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over `socket`, which must be open; reads nothing until `handle`. */
  constructor(socket: WebSocket, remoteAddress: string) {
    this.remoteAddress = remoteAddress;
    this.#socket = socket;
    socket.on("message", this.#onMessage);
    socket.on("close", this.#onClose);
    // An error is always followed by a close, which is what we tell.
    socket.on("error", this.#onError);
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

  pause(): void {
    this.#socket.pause();
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
    this.#closeTimer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    // `ws` hands out Buffers, each with memory of its own.
    const bytes = data as Buffer;
    const message = isBinary ? bytes : bytes.toString("utf8");
    if (this.#handlers) return this.#handlers.message(message);
    this.#early.push(message);
    if (this.#early.length > EARLY_MAX_COUNT) this.#socket.terminate();
  };

  readonly #onSent = (): void => {
    if (!this.#congested || this.#socket.bufferedAmount > 0) return;
    this.#congested = false;
    this.#handlers?.drain();
  };

  readonly #onError = (error: Error): void => {
    this.#errorText = error.message;
  };

  readonly #onClose = (code: number, reason: Uint8Array | string): void => {
    clearTimeout(this.#closeTimer);
    const text = typeof reason === "string"
      ? reason
      : new TextDecoder().decode(reason);
    this.#end = { code, reason: text || this.#errorText };
    this.#handlers?.closed(this.#end);
  };
}
