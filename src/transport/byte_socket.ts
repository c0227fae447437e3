import type { Fault } from "../protocol/fault.ts";

/** What the owner of a byte socket wants to hear, in order. */
export interface ByteSocketHandlers {
  /** `chunk` is given away. */
  data(chunk: Uint8Array): void;
  /** The peer will send no more; our side stays open. */
  end(): void;
  /** Everything written has been taken after {@linkcode ByteSocket.write} said false. */
  drain(): void;
  /** The last call, exactly once; with a fault if it was no clean end. */
  closed(fault: Fault | undefined): void;
}

/**
 * A byte stream whose two directions end on their own: a TCP connection, or
 * standard input and output. Callbacks and not web streams, because this is
 * the hot path: no promise, no copy per chunk.
 */
export interface ByteSocket {
  /** Begins to deliver; what came before waits in the kernel. */
  handle(handlers: ByteSocketHandlers): void;

  /**
   * Queues `chunk`, which is given away: if it was read from a link, it is
   * gone. False: wait for `drain` before counting it as taken.
   */
  write(chunk: Uint8Array): boolean;

  /** Ends our direction after what is queued. Reading goes on. */
  end(): void;

  /** Breaks off both directions so that the peer sees it was no clean end. */
  reset(): void;

  pause(): void;
  resume(): void;
}
