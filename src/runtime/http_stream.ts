import { Duplex } from "node:stream";
import { plainAddress } from "./plain_address.ts";
import type { RawSocket, SocketOwner } from "./raw_socket.ts";

/**
 * A connection as `node:http` sees it: for requests, and until one of them
 * becomes a WebSocket, whose connection somebody else takes over.
 */
export class HttpStream extends Duplex implements SocketOwner {
  readonly socket: RawSocket;
  readonly remoteAddress: string;
  /** Why the peer's certificate is not believed; undefined: it is. */
  readonly rejection: string | undefined;
  /** What the kernel has not taken, and who waits for it. */
  #unwritten: Uint8Array | undefined;
  #written: ((error?: Error) => void) | undefined;

  constructor(socket: RawSocket, rejection: string | undefined) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.rejection = rejection;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    socket.data = this;
    // One that resets must not be an unhandled error.
    this.on("error", noop);
  }

  received(chunk: Uint8Array): void {
    if (!this.push(chunk)) this.socket.pause();
  }

  drained(): void {
    const written = this.#written;
    if (this.#unwritten && !this.#write(this.#unwritten)) return;
    this.#unwritten = this.#written = undefined;
    written?.();
  }

  peerEnded(): void {
    this.push(null);
  }

  gone(error: Error | undefined): void {
    this.destroy(error);
  }

  override _read(): void {
    if (this.#isOwner) this.socket.resume();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    written: (error?: Error) => void,
  ): void {
    if (this.#write(chunk)) return written();
    this.#written = written;
  }

  override _final(done: () => void): void {
    if (this.#isOwner) this.socket.shutdown();
    done();
  }

  override _destroy(
    error: Error | null,
    done: (error?: Error | null) => void,
  ): void {
    if (this.#isOwner) this.socket.end();
    done(error);
  }

  /** False once somebody else has it: nothing of this goes out any more. */
  get #isOwner(): boolean {
    return this.socket.data === this;
  }

  /** Returns whether the kernel has taken all of `chunk`. */
  #write(chunk: Uint8Array): boolean {
    if (!this.#isOwner) return true;
    const takenBytes = Math.max(0, this.socket.write(chunk));
    this.#unwritten = chunk.subarray(takenBytes);
    return this.#unwritten.length === 0;
  }
}

function noop(): void {}
