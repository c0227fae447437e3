import type { Fault } from "../protocol/fault.ts";
import type { Link, LinkEnd, LinkHandlers } from "./link.ts";
import { faultOfEnd } from "./link_end.ts";

/** Above this many unread messages, the link is paused. */
const UNREAD_MAX_COUNT = 32;

/** Reads the messages of a control link one by one, in bounded memory. */
export class MessageReader implements LinkHandlers {
  readonly #link: Link;
  readonly #heard: () => void;
  readonly #unread: (string | Uint8Array)[] = [];
  #waiting: PromiseWithResolvers<void> | undefined;
  #fault: Fault | undefined;

  /** @param heard Called for each message, before it is read. */
  constructor(link: Link, heard: () => void) {
    this.#link = link;
    this.#heard = heard;
    link.handle(this);
  }

  /**
   * Returns the next message, waiting for it if need be. One caller at a time.
   *
   * @throws {Fault} The end of the link, after its last message.
   * @throws `signal.reason` once aborted.
   */
  async next(signal: AbortSignal): Promise<string | Uint8Array> {
    for (;;) {
      signal.throwIfAborted();
      const message = this.#unread.shift();
      if (message !== undefined) {
        if (this.#unread.length === 0) this.#link.resume();
        return message;
      }
      if (this.#fault) throw this.#fault;
      await this.#somethingNew(signal);
    }
  }

  /**
   * Hands the link on to `handlers`, with what was not read yet. It is then
   * theirs, and this reader of no use: a link that says little costs nothing
   * but its handlers, and a gateway has ten thousand of them.
   */
  handOver(handlers: LinkHandlers): void {
    for (const message of this.#unread.splice(0)) handlers.message(message);
    this.#link.handle(handlers);
    this.#link.resume();
  }

  message(message: string | Uint8Array): void {
    this.#heard();
    this.#unread.push(message);
    if (this.#unread.length >= UNREAD_MAX_COUNT) this.#link.pause();
    this.#waiting?.resolve();
  }

  drain(): void {
    // Control messages are few and short: nothing waits for this.
  }

  closed(end: LinkEnd): void {
    this.#fault = faultOfEnd(end);
    this.#waiting?.resolve();
  }

  async #somethingNew(signal: AbortSignal): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    const stop = () => waiting.reject(signal.reason);
    this.#waiting = waiting;
    signal.addEventListener("abort", stop, { once: true });
    try {
      await waiting.promise;
    } finally {
      this.#waiting = undefined;
      signal.removeEventListener("abort", stop);
    }
  }
}
