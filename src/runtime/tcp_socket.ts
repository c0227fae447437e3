import type { SocketHandler } from "bun";
import { noteRead } from "../base/read_memory.ts";
import { Fault } from "../protocol/fault.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import type {
  ByteSocket,
  ByteSocketHandlers,
} from "../transport/byte_socket.ts";
import { bindListener } from "./bind_listener.ts";
import { plainAddress } from "./plain_address.ts";
import {
  OWNER_HANDLERS,
  type RawSocket,
  type SocketOwner,
} from "./raw_socket.ts";
import { refusedFault } from "./tcp_fault.ts";
import { WriteQueue } from "./write_queue.ts";

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
  | { readonly tag: "gone"; readonly fault: Fault | undefined }
  /** Gone, and said so. */
  | { readonly tag: "told" };

const BROKEN_OFF = "it broke off the connection";

/**
 * Connects to a TCP service within `timeoutMs`. An attempt that is given up
 * cannot be called back: it goes on in the kernel until that gives up too,
 * and what then connects is broken off at once.
 *
 * @throws {Fault} `serviceRefused`; its message names the address and why.
 * @throws `signal.reason` once aborted.
 */
export async function dialTcp(
  address: TcpAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ByteSocket> {
  signal.throwIfAborted();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  const timer = setTimeout(
    () => reject(refusedFault(address, "ETIMEDOUT", undefined)),
    timeoutMs,
  );
  signal.addEventListener("abort", stop, { once: true });
  const tcpSocket = new TcpSocket(printSocketAddress(address));
  try {
    await Promise.race([connect(address, tcpSocket), givenUp]);
    return tcpSocket;
  } catch (error) {
    tcpSocket.reset();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Listens at `address` and hands each connection to `onSocket`, with the IP
 * address it comes from; port 0 is any free port. Nothing is read from a
 * connection before {@linkcode ByteSocket.handle}.
 *
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
// deno-lint-ignore require-await -- A fault is a rejection, as dialTcp()'s is.
export async function listenTcp(
  address: TcpAddress,
  onSocket: (socket: ByteSocket, remoteAddress: string) => void,
): Promise<TcpListener> {
  const open = (socket: RawSocket) => {
    const remoteAddress = plainAddress(socket.remoteAddress);
    const { remotePort } = socket;
    const tcpSocket = new TcpSocket(
      printSocketAddress({ host: remoteAddress, port: remotePort }),
    );
    tcpSocket.opened(socket);
    onSocket(tcpSocket, remoteAddress);
  };
  const listener = bindListener(address, { ...OWNER_HANDLERS, open });
  return {
    host: listener.hostname,
    port: listener.port,
    [Symbol.asyncDispose]: () => {
      listener.stop();
      return Promise.resolve();
    },
  };
}

class TcpSocket implements ByteSocket, SocketOwner {
  readonly #peer: string;
  readonly #queue = new WriteQueue();
  #socket: RawSocket | undefined;
  #handlers: ByteSocketHandlers | undefined;
  #ending: Ending = { tag: "none" };
  #isPaused = true;
  /** Whether the peer will send no more, and whether that was told. */
  #isPeerEnded = false;
  #isPeerEndTold = false;
  /** We will send no more, after what waits. */
  #isEnded = false;
  /** A write has said false, and nobody has been told to go on yet. */
  #isDrainDue = false;

  constructor(peer: string) {
    this.#peer = peer;
  }

  /** Takes over `socket`, which is connected now; reads nothing yet. */
  opened(socket: RawSocket): void {
    // Given up while it was connecting.
    if (this.#ending.tag !== "none") return socket.terminate();
    this.#socket = socket;
    socket.data = this;
    socket.setNoDelay(true);
    socket.pause();
  }

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    this.resume();
    if (this.#ending.tag === "gone" || this.#isPeerEnded) {
      queueMicrotask(this.#tellEnds);
    }
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isEnded) throw new Error("Cannot write after end()");
    const socket = this.#socket;
    // Never taken: `closed` says why.
    if (!socket || this.#ending.tag !== "none") return false;
    if (this.#queue.write(socket, chunk)) return true;
    this.#isDrainDue = true;
    if (this.#queue.isRefused) this.#break(BROKEN_OFF);
    return false;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#queue.isEmpty) this.#socket?.shutdown();
  }

  reset(): void {
    this.#breakAs(`Broke off the connection with ${this.#peer}`, undefined);
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    // Without handlers, what flows would be lost.
    if (!this.#isPaused || !this.#handlers) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  received(chunk: Uint8Array): void {
    const handlers = this.#handlers;
    // Bun reads what came before a reset even while paused.
    if (!handlers) return this.#break(BROKEN_OFF);
    if (this.#ending.tag !== "none") return;
    noteRead(chunk);
    handlers.data(chunk);
  }

  peerEnded(): void {
    this.#isPeerEnded = true;
    this.#tellEnds();
  }

  /** There may be room again; Bun says it at times that nobody waits. */
  drained(): void {
    const socket = this.#socket;
    if (!socket || !this.#isDrainDue || this.#ending.tag !== "none") return;
    if (!this.#queue.flush(socket)) {
      if (this.#queue.isRefused) this.#break(BROKEN_OFF);
      return;
    }
    if (this.#isEnded) socket.shutdown();
    this.#isDrainDue = false;
    this.#handlers?.drain();
  }

  /** The socket has closed: after both ends' end, by an error, or by us. */
  gone(error: Error | undefined): void {
    // Not said before the close if we had ended first; never while paused.
    this.#isPeerEnded ||= !this.#isPaused;
    const isWhole = this.#isPeerEnded && this.#isEnded && this.#queue.isEmpty;
    if (error) this.#break(reasonOf(error), error);
    // Whatever was missed: half of a stream is never a clean end.
    else if (!isWhole) this.#break("it closed the connection too early");
    this.#queue.clear();
    const fault = this.#ending.tag === "broken"
      ? this.#ending.fault
      : undefined;
    this.#ending = { tag: "gone", fault };
    // It may be our own call that closed it: no call into a call.
    queueMicrotask(this.#tellEnds);
  }

  /** Breaks off unless that has been done; `why` follows the peer's name. */
  #break(why: string, cause?: unknown): void {
    this.#breakAs(`Cannot go on with ${this.#peer}: ${why}`, cause);
  }

  #breakAs(message: string, cause: unknown): void {
    if (this.#ending.tag !== "none") return;
    const fault = new Fault("streamReset", message, { cause });
    this.#ending = { tag: "broken", fault };
    // With SO_LINGER of 0: the peer is to see that it was no clean end.
    this.#socket?.terminate();
  }

  readonly #tellEnds = (): void => {
    const handlers = this.#handlers;
    if (!handlers) return;
    const ending = this.#ending;
    const isClean = ending.tag === "none" ||
      (ending.tag === "gone" && !ending.fault);
    if (isClean && this.#isPeerEnded && !this.#isPeerEndTold) {
      this.#isPeerEndTold = true;
      handlers.end();
    }
    if (ending.tag !== "gone") return;
    this.#ending = { tag: "told" };
    handlers.closed(ending.fault);
  };
}

const DIALED: SocketHandler<TcpSocket> = {
  ...OWNER_HANDLERS,
  open: (socket) => socket.data.opened(socket),
};

function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNRESET" || code === "EPIPE") return BROKEN_OFF;
  return code ?? "the connection failed";
}

async function connect(address: TcpAddress, data: TcpSocket): Promise<void> {
  const { host: hostname, port } = address;
  const socket = DIALED;
  try {
    await Bun.connect<TcpSocket>({
      hostname,
      port,
      allowHalfOpen: true,
      data,
      socket,
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refusedFault(address, code, error);
  }
}
