import type { Duplex } from "node:stream";

/**
 * Cuts connections on which no whole request has come in time. For those that
 * an HTTP server was handed, and has not accepted itself: its own timers do
 * not know them.
 */
export class RequestTimers {
  readonly #timeoutMs: number;
  readonly #timers = new WeakMap<Duplex, ReturnType<typeof setTimeout>>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Waits for the first request of `stream`, or for the next one. */
  start(stream: Duplex): void {
    if (stream.destroyed) return;
    if (this.#timers.has(stream)) this.stop(stream);
    else stream.once("close", () => this.stop(stream));
    const timer = setTimeout(() => stream.destroy(), this.#timeoutMs);
    this.#timers.set(stream, timer);
  }

  /** The request is here: whoever answers it takes the time that it needs. */
  stop(stream: Duplex): void {
    clearTimeout(this.#timers.get(stream));
  }
}
