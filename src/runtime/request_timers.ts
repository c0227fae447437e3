import type { Socket } from "node:net";

/**
 * Cuts connections on which no whole request has come in time. For those that
 * an HTTP server was handed, and has not accepted itself: its own timers do
 * not know them.
 */
export class RequestTimers {
  readonly #timeoutMs: number;
  readonly #timers = new WeakMap<Socket, ReturnType<typeof setTimeout>>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Waits for the first request of `socket`, or for the next one. */
  start(socket: Socket): void {
    if (socket.destroyed) return;
    if (this.#timers.has(socket)) this.stop(socket);
    else socket.once("close", () => this.stop(socket));
    const timer = setTimeout(() => socket.destroy(), this.#timeoutMs);
    this.#timers.set(socket, timer);
  }

  /** The request is here: whoever answers it takes the time that it needs. */
  stop(socket: Socket): void {
    clearTimeout(this.#timers.get(socket));
  }
}
