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
  /** Set once somebody takes each message as it comes. */
  #take: ((message: string | Uint8Array) => void) | undefined;
  #ended: ((error: unknown) => void) | undefined;
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
   * Hands each message to `take` as soon as it comes, in place of `next()`.
   * A link that says little then costs a promise, and not the frames of
   * functions that wait: a gateway has ten thousand of them.
   *
   * @throws {Fault} The end of the link, after its last message.
   * @throws What `take` throws; later messages are left unread.
   * @throws `signal.reason` once aborted.
   */
  each(
    take: (message: string | Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = () => this.#ended?.(signal.reason);
    this.#ended = (error) => {
      this.#take = this.#ended = undefined;
      signal.removeEventListener("abort", stop);
      reject(error);
    };
    signal.addEventListener("abort", stop, { once: true });
    this.#take = take;
    if (signal.aborted) stop();
    while (this.#isHanding) {
      const message = this.#unread.shift();
      if (message === undefined) break;
      this.#hand(message);
    }
    if (this.#fault) this.#ended?.(this.#fault);
    if (this.#isHanding) this.#link.resume();
    return promise;
  }

  message(message: string | Uint8Array): void {
    this.#heard();
    if (this.#take) return this.#hand(message);
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
    this.#ended?.(this.#fault);
  }

  get #isHanding(): boolean {
    return this.#ended !== undefined;
  }

  #hand(message: string | Uint8Array): void {
    try {
      this.#take?.(message);
    } catch (error) {
      this.#ended?.(error);
    }
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
