import { connect, createServer, type Server, type Socket } from "node:net";
import { freeRead, noteRead } from "../base/read_memory.ts";
import { Fault } from "../protocol/fault.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import type {
  ByteSocket,
  ByteSocketHandlers,
} from "../transport/byte_socket.ts";
import { plainAddress } from "./plain_address.ts";

/** Where a TCP service is, or is to be. */
export interface TcpAddress {
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Disposing refuses new connections; those already handed over go on. */
export interface TcpListener extends TcpAddress, AsyncDisposable {}

/** How the connection came to its end, as far as it has. */
type Ending =
  | { readonly tag: "none" }
  /** Told to break off here, or broken off there; not gone yet. */
  | { readonly tag: "broken"; readonly fault: Fault }
  | { readonly tag: "gone"; readonly fault: Fault | undefined };

/**
 * Connects to a TCP service within `timeoutMs`.
 *
 * @throws {Fault} `serviceRefused`; its message names the address and why.
 * @throws `signal.reason` once aborted.
 */
export function dialTcp(
  address: TcpAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ByteSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<ByteSocket>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  const { host, port } = address;
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const byteSocket = new TcpSocket(socket, printSocketAddress(address));
  const settle = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    socket.off("error", refused);
    socket.off("connect", connected);
  };
  const fail = (error: unknown) => {
    settle();
    socket.destroy();
    reject(error);
  };
  const refused = (error: NodeJS.ErrnoException) =>
    fail(refusedFault(address, error.code, error));
  const connected = () => {
    settle();
    resolve(byteSocket);
  };
  const stop = () => fail(signal.reason);
  const timer = setTimeout(
    () => fail(refusedFault(address, "ETIMEDOUT", undefined)),
    timeoutMs,
  );
  signal.addEventListener("abort", stop, { once: true });
  socket.once("error", refused);
  socket.once("connect", connected);
  return promise;
}

/**
 * Listens at `address` and hands each connection to `onSocket`, with the IP
 * address it comes from; port 0 is any free port. Nothing is read from a
 * connection before {@linkcode ByteSocket.handle}.
 *
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export async function listenTcp(
  address: TcpAddress,
  onSocket: (socket: ByteSocket, remoteAddress: string) => void,
): Promise<TcpListener> {
  const options = { allowHalfOpen: true, noDelay: true };
  const server = createServer(options, (socket) => {
    const remoteAddress = plainAddress(socket.remoteAddress);
    const peer = printSocketAddress({
      host: remoteAddress,
      port: socket.remotePort ?? 0,
    });
    onSocket(new TcpSocket(socket, peer), remoteAddress);
  });
  await listening(server, address);
  const bound = server.address();
  if (bound === null || typeof bound === "string") {
    throw new Error("Cannot happen: a TCP server without an address");
  }
  return {
    host: bound.address,
    port: bound.port,
    [Symbol.asyncDispose]: () => {
      server.close();
      return Promise.resolve();
    },
  };
}

class TcpSocket implements ByteSocket {
  readonly #socket: Socket;
  readonly #peer: string;
  #handlers: ByteSocketHandlers | undefined;
  #ending: Ending = { tag: "none" };
  /** A write has said false, and nobody has been told to go on yet. */
  #drainDue = false;

  /** Takes over `socket`, connected or about to be; reads nothing yet. */
  constructor(socket: Socket, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
    socket.pause();
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
    socket.on("drain", this.#onDrain);
    // After end() there is no "drain" any more, but what was queued goes on.
    socket.on("finish", this.#onDrain);
  }

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    if (this.#ending.tag === "gone") return queueMicrotask(this.#tellClosed);
    this.#socket.on("data", this.#onData);
    this.#socket.on("end", this.#onEnd);
    this.#socket.resume();
  }

  write(chunk: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.writableEnded) throw new Error("Cannot write after end()");
    if (!socket.writable) return false; // Never taken: `closed` says why.
    const taken = socket.write(chunk);
    if (socket.writableLength === 0) freeRead(chunk);
    if (!taken) this.#drainDue = true;
    return taken;
  }

  end(): void {
    if (this.#socket.writable) this.#socket.end();
  }

  reset(): void {
    this.#break(`Broke off the connection with ${this.#peer}`, undefined);
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    // Without handlers, what flows would be lost.
    if (this.#handlers) this.#socket.resume();
  }

  #break(message: string, cause: unknown): void {
    if (this.#ending.tag !== "none") return;
    const fault = new Fault("streamReset", message, { cause });
    this.#ending = { tag: "broken", fault };
  }

  readonly #onData = (chunk: Uint8Array): void => {
    noteRead(chunk);
    this.#handlers?.data(chunk);
  };

  readonly #onEnd = (): void => {
    if (this.#ending.tag === "none") this.#handlers?.end();
  };

  readonly #onDrain = (): void => {
    if (!this.#drainDue || this.#ending.tag !== "none") return;
    this.#drainDue = false;
    this.#handlers?.drain();
  };

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    const why = error.code === "ECONNRESET" || error.code === "EPIPE"
      ? "it broke off the connection"
      : error.code ?? "the connection failed";
    this.#break(`Cannot go on with ${this.#peer}: ${why}`, error);
  };

  readonly #onClose = (): void => {
    const { readableEnded, writableFinished } = this.#socket;
    // Whatever was missed below: half of a stream is never a clean end.
    if (!readableEnded || !writableFinished) {
      this.#break(
        `Cannot go on with ${this.#peer}: it closed the connection too early`,
        undefined,
      );
    }
    const fault = this.#ending.tag === "none" ? undefined : this.#ending.fault;
    this.#ending = { tag: "gone", fault };
    this.#tellClosed();
  };

  readonly #tellClosed = (): void => {
    if (this.#ending.tag === "gone") this.#handlers?.closed(this.#ending.fault);
  };
}

function listening(server: Server, address: TcpAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (error: NodeJS.ErrnoException) =>
    reject(cannotListen(address, error));
  server.once("error", failed);
  server.listen({ host: address.host, port: address.port }, () => {
    server.off("error", failed);
    resolve();
  });
  return promise;
}

function refusedFault(
  address: TcpAddress,
  code: string | undefined,
  cause: unknown,
): Fault {
  const { why, hint } = reasonOf(code);
  return new Fault(
    "serviceRefused",
    `Cannot reach ${printSocketAddress(address)}: ${why}`,
    {
      hint,
      cause,
    },
  );
}

function reasonOf(code: string | undefined): { why: string; hint: string } {
  switch (code) {
    case "ECONNREFUSED":
      return {
        why: "the connection was refused",
        hint: "Start the program that should listen there",
      };
    case "ETIMEDOUT":
      return {
        why: "it did not answer in time",
        hint: "Check that the host is up and its firewall lets us in",
      };
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "EADDRNOTAVAIL":
      return {
        why: "there is no route to it",
        hint: "Check the address and the network",
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        why: "its name was not found",
        hint: "Check the name, or give an IP address",
      };
    default:
      return {
        why: code ?? "the connection failed",
        hint: "Check the address and the program that should listen there",
      };
  }
}

function cannotListen(
  address: TcpAddress,
  error: NodeJS.ErrnoException,
): Fault {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "another program listens there",
    EADDRNOTAVAIL: "this computer does not have that address",
    EACCES: "it is not permitted",
  };
  const why = reasons[error.code ?? ""] ?? error.code ??
    "the address cannot be used";
  return new Fault(
    "configInvalid",
    `Cannot listen on ${printSocketAddress(address)}: ${why}`,
    {
      hint: "Choose another address or port; port 0 takes any free one",
      cause: error,
    },
  );
}
