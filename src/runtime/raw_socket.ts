import type { Socket, SocketHandler } from "bun";

/**
 * A connection of the runtime's own, with TLS in it or not: a twentieth of the
 * memory of a socket of `node:net`, and less CPU for each byte
 * (docs/adr/0023). Its `data` is who hears it, which may change.
 *
 * `shutdown()` ends our direction, `end()` closes it, and `terminate()` breaks
 * it off so that the peer sees a reset.
 */
export type RawSocket = Socket<SocketOwner>;

/** Who hears a connection. */
export interface SocketOwner {
  /** The TLS handshake is done; the reason says why the peer is not believed. */
  secured?(reason: Error | null): void;
  /** `chunk` has memory of its own, and is given away. */
  received(chunk: Uint8Array): void;
  /** After a write that was not taken whole: there is room again. */
  drained(): void;
  /** The peer sends no more; our direction stays open. */
  peerEnded(): void;
  /** The last call; with an error, if the peer or the network broke it off. */
  gone(error: Error | undefined): void;
}

/** Hands on to the owner all that happens to a connection. */
export const OWNER_HANDLERS: SocketHandler<SocketOwner> = {
  handshake(socket, isDone, reason) {
    // Otherwise it closes by itself.
    if (isDone) socket.data.secured?.(reason);
  },
  data(socket, chunk) {
    socket.data.received(chunk);
  },
  drain(socket) {
    socket.data.drained();
  },
  end(socket) {
    socket.data.peerEnded();
  },
  close(socket, error) {
    socket.data.gone(error);
  },
  error(_socket, error) {
    // TLS that fails is followed by a close. Whatever else comes here was
    // thrown by one of us above: a bug, that must not go unseen.
    if (isTlsError(error)) return;
    queueMicrotask(() => {
      throw error;
    });
  },
};

function isTlsError(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPROTO" || (code?.startsWith("ERR_SSL_") ?? false);
}
