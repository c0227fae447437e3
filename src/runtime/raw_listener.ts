import { bindListener } from "./bind_listener.ts";
import {
  OWNER_HANDLERS,
  type RawSocket,
  type SocketOwner,
} from "./raw_socket.ts";

/** PEM texts of a gateway that speaks mutual TLS itself. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

export interface RawListener extends Disposable {
  readonly port: number;
  /** New handshakes use `tls`; connections that stand keep what they have. */
  setTls(tls: ServerTls): void;
  /** Refuses new connections from now on; those that stand go on. */
  stop(): void;
}

/** As a list of one, each with its length in front (RFC 7301 §3.1). */
const ALPN_HTTP_1 = "\x08http/1.1";

const LISTEN_HINT = "Choose another address or port with `listen`";

/** A TLS handshake that is not done by then is cut. Ours to choose. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Takes a connection over as its owner, which is its `data` from then on.
 *
 * @param rejection Why its certificate is not believed, as OpenSSL's code;
 * undefined: it is, or there is no TLS.
 */
export type TakeSocket = (
  socket: RawSocket,
  rejection: string | undefined,
) => void;

/**
 * Listens at `host:port`, with TLS if `tls` is given, and hands each
 * connection to `take` once it can be read. A peer's certificate is asked for
 * and any is taken, or none.
 *
 * Disposing breaks off all connections, too.
 *
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export function listenRaw(
  host: string,
  port: number,
  tls: ServerTls | undefined,
  take: TakeSocket,
): RawListener {
  const sockets = new Set<RawSocket>();
  const handlers = {
    ...OWNER_HANDLERS,
    open: (socket: RawSocket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      if (tls) socket.data = new TlsHandshake(socket, take);
      else take(socket, undefined);
    },
    close: (socket: RawSocket, error?: Error) => {
      sockets.delete(socket);
      socket.data.gone(error);
    },
  };
  const bind = (port: number, tls: ServerTls | undefined) =>
    bindListener(
      { host, port },
      handlers,
      tls && contextOf(tls),
      LISTEN_HINT,
    );
  let listener = bind(port, tls);
  return {
    port: listener.port,
    setTls: (next) => {
      // There is no other way, and nobody can take the port within a turn.
      listener.stop();
      listener = bind(listener.port, next);
    },
    stop: () => listener.stop(),
    [Symbol.dispose]: () => {
      listener.stop();
      for (const socket of sockets) socket.terminate();
    },
  };
}

/** Owns a connection until its TLS handshake is done. */
class TlsHandshake implements SocketOwner {
  readonly #socket: RawSocket;
  readonly #take: TakeSocket;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(socket: RawSocket, take: TakeSocket) {
    this.#socket = socket;
    this.#take = take;
    const cut = () => socket.terminate();
    this.#timer = setTimeout(cut, HANDSHAKE_TIMEOUT_MS);
  }

  secured(reason: Error | null): void {
    clearTimeout(this.#timer);
    const { code, message } = (reason ?? {}) as NodeJS.ErrnoException;
    this.#take(this.#socket, reason ? code ?? message : undefined);
  }

  received(): void {
    // Cannot happen: what comes first is the handshake's.
  }

  drained(): void {
    // Nothing is written before its end.
  }

  peerEnded(): void {
    this.#socket.end();
  }

  gone(): void {
    clearTimeout(this.#timer);
  }
}

function contextOf(tls: ServerTls) {
  return {
    cert: tls.cert,
    key: tls.key,
    ca: tls.clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ALPN_HTTP_1,
  };
}
