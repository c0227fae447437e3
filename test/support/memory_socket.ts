import { Fault } from "../../src/protocol/fault.ts";
import type {
  ByteSocket,
  ByteSocketHandlers,
} from "../../src/transport/byte_socket.ts";

/** What the program at the other end of a socket does on its own. */
export interface SocketScript {
  /** A chunk came. False: it is not taken before {@linkcode MemorySocket.drain}. */
  readonly write?: (chunk: Uint8Array) => boolean;
  /** No more bytes will come; the program may still say something. */
  readonly end?: () => void;
}

/** A byte socket whose other end is the test: it speaks, and sees all. */
export class MemorySocket implements ByteSocket {
  /** `pause`, `resume`, `end`, `reset`, in order. */
  readonly calls: string[] = [];
  script: SocketScript = {};
  #handlers: ByteSocketHandlers | undefined;
  readonly #received: Uint8Array[] = [];
  /** What was said while nobody read; null: the end. */
  readonly #said: (Uint8Array | null)[] = [];
  #paused = false;
  #weEnded = false;
  #theyEnded = false;
  #isClosed = false;

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    this.#flow();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#weEnded) throw new Error("Cannot write after end()");
    if (this.#isClosed) return false;
    this.#received.push(chunk.slice());
    return this.script.write?.(chunk) ?? true;
  }

  end(): void {
    this.calls.push("end");
    this.#weEnded = true;
    this.script.end?.();
    this.#closeIfDone();
  }

  reset(): void {
    this.calls.push("reset");
    if (this.#isClosed) return;
    this.#isClosed = true;
    const fault = new Fault("streamReset", "Broke off the connection");
    queueMicrotask(() => this.#handlers?.closed(fault));
  }

  pause(): void {
    this.calls.push("pause");
    this.#paused = true;
  }

  resume(): void {
    this.calls.push("resume");
    this.#paused = false;
    this.#flow();
  }

  /** Everything that was written to the program. */
  get received(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#received));
  }

  get isHandled(): boolean {
    return this.#handlers !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Chunks that the owner has not read yet. */
  get unreadCount(): number {
    return this.#said.length;
  }

  // The program.

  say(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === "string"
      ? new TextEncoder().encode(chunk)
      : chunk;
    this.#said.push(bytes);
    this.#flow();
  }

  sayEnd(): void {
    this.#said.push(null);
    this.#flow();
  }

  /** Takes what was written after the script had said false. */
  drain(): void {
    // As the system's sockets do: after an end, nobody is told.
    if (!this.#weEnded && !this.#isClosed) this.#handlers?.drain();
  }

  breakOff(fault: Fault): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handlers?.closed(fault);
  }

  #flow(): void {
    while (this.#handlers && !this.#paused && !this.#isClosed) {
      const chunk = this.#said.shift();
      if (chunk === undefined) return;
      if (chunk === null) {
        this.#theyEnded = true;
        this.#handlers.end();
        this.#closeIfDone();
      } else this.#handlers.data(chunk);
    }
  }

  #closeIfDone(): void {
    if (!this.#weEnded || !this.#theyEnded || this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => this.#handlers?.closed(undefined));
  }
}
