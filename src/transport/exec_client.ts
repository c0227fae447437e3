import {
  encodeExecMessage,
  ExecFrameDecoder,
  type ExecFrameSink,
  type ExecMessage,
  type ExecOutput,
} from "../protocol/exec_frame.ts";
import type {
  ExecError,
  ExecExit,
  ExecStart,
} from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { FAULT_HINTS } from "../protocol/fault_hint.ts";
import type { ByteSocket, ByteSocketHandlers } from "./byte_socket.ts";

/** The last word of a device about a command. */
export type ExecResult =
  | { readonly type: "exit"; readonly exit: ExecExit }
  | { readonly type: "error"; readonly error: ExecError };

/** Where the output of a remote command goes. */
export interface ExecOutlet {
  /** False: wait for `drain` before more. What is given is taken anyway. */
  write(output: ExecOutput, piece: Uint8Array): boolean;
  /** Tells from now on that all is taken, or why nothing more can be. */
  handle(handlers: {
    drain(): void;
    failed(fault: Fault): void;
  }): void;
}

/** The operator's end of the service, as the local program of its tunnel. */
export class ExecClient implements ByteSocket, ExecFrameSink {
  /** Resolves when the result is here and all output has been taken. */
  readonly finished: Promise<void>;
  /** How it ended, as the device says. */
  result: ExecResult | undefined;
  readonly #start: ExecStart;
  readonly #outlet: ExecOutlet;
  readonly #decoder = new ExecFrameDecoder("agent", this);
  readonly #finish: () => void;
  #handlers: ByteSocketHandlers | undefined;
  /** The outlet has said that it is full. */
  #isFull = false;
  /** The device will say no more. */
  #isDeaf = false;
  #closed: { readonly fault: Fault | undefined } | undefined;

  constructor(start: ExecStart, outlet: ExecOutlet) {
    this.#start = start;
    this.#outlet = outlet;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#finish = resolve;
  }

  /** Asks for the end of the command. False: it has not been asked for yet. */
  cancel(): boolean {
    if (!this.#handlers || this.#closed) return false;
    if (!this.result) {
      this.#handlers.data(encodeExecMessage({ type: "cancel" }));
    }
    return true;
  }

  // From the tunnel.

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    if (this.#closed) return queueMicrotask(this.#tellClosed);
    this.#outlet.handle({
      drain: () => this.#drained(),
      failed: (fault) => this.#close(fault),
    });
    handlers.data(encodeExecMessage({ type: "start", start: this.#start }));
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isDeaf) throw new Error("Cannot write after end()");
    if (this.#closed) return false; // `closed` says why.
    try {
      this.#decoder.decode(chunk);
    } catch (error) {
      this.#close(Fault.from(error));
    }
    return !this.#isFull;
  }

  end(): void {
    if (this.#isDeaf || this.#closed) return;
    this.#isDeaf = true;
    this.#close(this.result ? undefined : endedTooEarly());
  }

  reset(): void {
    this.#close(new Fault("streamReset", "Broke off the command"));
  }

  pause(): void {
    // There is nothing to pause: all that we say are two small frames.
  }

  resume(): void {
    // As for pause().
  }

  // From the frames.

  output(output: ExecOutput, piece: Uint8Array): void {
    this.#needNoResult();
    if (!this.#outlet.write(output, piece)) this.#isFull = true;
  }

  message(message: ExecMessage): void {
    this.#needNoResult();
    // The decoder takes nothing else from an agent.
    if (message.type !== "exit" && message.type !== "error") return;
    this.result = message;
    // Not from within write(): whoever writes is not listening yet.
    queueMicrotask(() => this.#handlers?.end());
    if (!this.#isFull) this.#finish();
  }

  /** @throws {Fault} `messageUnexpected`. */
  #needNoResult(): void {
    if (!this.result) return;
    throw new Fault("messageUnexpected", "Cannot take more than one result");
  }

  #drained(): void {
    this.#isFull = false;
    if (this.result) this.#finish();
    if (!this.#closed) this.#handlers?.drain();
  }

  #close(fault: Fault | undefined): void {
    if (this.#closed) return;
    this.#closed = { fault };
    queueMicrotask(this.#tellClosed);
  }

  readonly #tellClosed = (): void => {
    if (this.#closed) this.#handlers?.closed(this.#closed.fault);
  };
}

/** Returns why there is neither an exit status nor an error. */
export function endedTooEarly(): Fault {
  return new Fault("messageInvalid", "The device did not say how it ended", {
    hint: FAULT_HINTS.messageInvalid,
  });
}
