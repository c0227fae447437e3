/** How a link ended: WebSocket close code and reason (RFC 6455 §7.4). */
export interface LinkEnd {
  readonly code: number;
  /** Hostile text. */
  readonly reason: string;
}

/** What the owner of a link wants to hear. Called one at a time, in order. */
export interface LinkHandlers {
  /** Text is a string, binary a Uint8Array that the hearer may keep. */
  message(message: string | Uint8Array): void;
  /** `bufferedBytes` was high, and has fallen to nothing. */
  drain(): void;
  /** The peer's WebSocket answered a ping, or sent one (RFC 6455 §5.5.2). */
  alive?(): void;
  /** The last call, exactly once. */
  closed(end: LinkEnd): void;
}

/**
 * A message pipe: one WebSocket, whoever dialed it. The seam between the
 * house and the runtime; `test/contract/link_contract.ts` is its contract.
 */
export interface Link {
  /** Address of the peer for logs and quotas, or the host that was dialed. */
  readonly remoteAddress: string;

  /** Bytes handed to {@linkcode Link.send} that the kernel has not taken. */
  readonly bufferedBytes: number;

  /**
   * Begins to deliver. What came before waits; what comes after `handlers`
   * are replaced goes to the new ones, with no message lost in between.
   */
  handle(handlers: LinkHandlers): void;

  /**
   * Queues `message`, which is given away: it may be read until it has gone,
   * and is forgotten then if it came from another link.
   * Does nothing once the link is closing.
   */
  send(message: string | Uint8Array): void;

  /**
   * Sends a WebSocket ping: for peers that have no heartbeat messages, since
   * proxies answer or swallow it (docs/PROTOCOL.md §6).
   */
  ping(): void;

  /**
   * Stops reading, so that the peer feels it. What one read of the socket has
   * brought, half a MiB at most, still arrives: few long messages, or
   * thousands of short ones. Does nothing once the link is closing: the answer
   * to its goodbye would wait for ever.
   */
  pause(): void;
  resume(): void;

  /** Says goodbye after what is queued, and cuts after CLOSE_TIMEOUT_MS. */
  close(code: number, reason: string): void;

  /** Cuts at once: for a peer that is thought dead. */
  terminate(): void;
}
