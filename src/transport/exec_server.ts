import type { Clock } from "../base/clock.ts";
import {
  encodeExecMessage,
  encodeExecOutput,
  ExecFrameDecoder,
  type ExecFrameSink,
  type ExecMessage,
  type ExecOutput,
} from "../protocol/exec_frame.ts";
import type { ExecExit, ExecStart } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import {
  EXEC_START_TIMEOUT_MS,
  FAULT_MESSAGE_MAX_CHARS,
} from "../protocol/limits.ts";
import type { ByteSocket, ByteSocketHandlers } from "./byte_socket.ts";

/** A command that somebody runs for the operator of a stream. */
export interface ExecCommand {
  /** Tells no more output for now, so that in the end the command waits. */
  pause(): void;
  resume(): void;
  /** Ends it, kindly at first; may be called again. */
  stop(): void;
  /** Ends it, and forgets what it has still to say. */
  abandon(): void;
}

/** Who hears of a command, in order. What comes after the last call is lost. */
export interface ExecHearer {
  /** The hearer may keep `chunk`. Not to be called while paused. */
  output(output: ExecOutput, chunk: Uint8Array): void;
  /** The last call, once: all of its output has been told. */
  ended(exit: ExecExit): void;
  /** The last call instead of `ended`. */
  failed(fault: Fault): void;
}

/**
 * Starts what the operator asks for; it tells nothing before it has returned.
 *
 * @throws {Fault} Why it is not run, for the operator to hear.
 */
export type StartExec = (start: ExecStart, hearer: ExecHearer) => ExecCommand;

/**
 * Returns the serving end of the service `exec` for one operator, as if it
 * were a connection to a local program: it takes and gives the frames of
 * docs/PROTOCOL.md §12.
 */
export function serveExec(start: StartExec, clock: Clock): ByteSocket {
  return new ExecServer(start, clock);
}

/**
 *     waiting --start--> running --ended--> told --end()--> closed
 *        |                                   ^
 *        +--start--> refused ----------------+    any --fault--> closed
 *        +--too late-------------------------+
 */
type State =
  | { readonly tag: "waiting" }
  | { readonly tag: "running"; readonly command: ExecCommand }
  /** The operator is about to be told so. */
  | { readonly tag: "refused" }
  /** The operator has been told how it ended. */
  | { readonly tag: "told" }
  | { readonly tag: "closed"; readonly fault: Fault | undefined };

class ExecServer implements ByteSocket, ExecHearer {
  readonly #startExec: StartExec;
  readonly #clock: Clock;
  readonly #decoder: ExecFrameDecoder;
  readonly #started = new AbortController();
  #handlers: ByteSocketHandlers | undefined;
  #state: State = { tag: "waiting" };
  #isPaused = false;
  /** The operator will say no more. */
  #isDeaf = false;

  constructor(start: StartExec, clock: Clock) {
    this.#startExec = start;
    this.#clock = clock;
    const sink: ExecFrameSink = {
      message: (message) => this.#take(message),
      output: () => undefined, // The decoder takes none from an operator.
    };
    this.#decoder = new ExecFrameDecoder("operator", sink);
  }

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    if (this.#state.tag === "closed") return queueMicrotask(this.#tellClosed);
    const { signal } = this.#started;
    this.#clock.sleep(EXEC_START_TIMEOUT_MS, signal).then(
      () => this.failed(notStarted()),
      () => undefined, // It was said in time, or nobody waits any more.
    );
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isDeaf) throw new Error("Cannot write after end()");
    if (this.#state.tag === "closed") return false; // `closed` says why.
    try {
      this.#decoder.decode(chunk);
    } catch (error) {
      this.#close(Fault.from(error));
    }
    return true;
  }

  end(): void {
    if (this.#isDeaf || this.#state.tag === "closed") return;
    this.#isDeaf = true;
    const isWhole = this.#decoder.isBetweenFrames;
    if (!isWhole || this.#state.tag === "waiting") {
      this.#close(new Fault("messageInvalid", "The operator ended too early"));
    } else this.#closeIfDone();
  }

  reset(): void {
    this.#close(new Fault("streamReset", "Broke off the command"));
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#state.tag === "running") this.#state.command.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#state.tag === "running") this.#state.command.resume();
  }

  // From the command.

  output(output: ExecOutput, chunk: Uint8Array): void {
    if (this.#state.tag !== "running") return;
    this.#handlers?.data(encodeExecOutput(output, chunk));
  }

  ended(exit: ExecExit): void {
    this.#tell({ type: "exit", exit });
  }

  failed(fault: Fault): void {
    const { code } = fault;
    const message = fault.message.slice(0, FAULT_MESSAGE_MAX_CHARS);
    this.#tell({ type: "error", error: { code, message } });
  }

  /** @throws {Fault} `messageUnexpected`. */
  #take(message: ExecMessage): void {
    const { tag } = this.#state;
    if (message.type === "start" && tag === "waiting") {
      return this.#start(message.start);
    }
    if (message.type === "cancel" && tag !== "waiting") {
      // What has ended already crosses with this.
      if (this.#state.tag === "running") this.#state.command.stop();
      return;
    }
    const detail = `Cannot take "${message.type}" while ${tag}`;
    throw new Fault("messageUnexpected", detail);
  }

  #start(start: ExecStart): void {
    this.#started.abort();
    try {
      const command = this.#startExec(start, this);
      this.#state = { tag: "running", command };
      if (this.#isPaused) command.pause();
    } catch (error) {
      this.#state = { tag: "refused" };
      // Not from within write(): whoever writes is not listening yet.
      queueMicrotask(() => this.failed(Fault.from(error)));
    }
  }

  /** The last word to the operator. */
  #tell(message: ExecMessage): void {
    const { tag } = this.#state;
    if (tag === "told" || tag === "closed") return;
    this.#state = { tag: "told" };
    this.#handlers?.data(encodeExecMessage(message));
    this.#handlers?.end();
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#isDeaf && this.#state.tag === "told") this.#close(undefined);
  }

  #close(fault: Fault | undefined): void {
    const state = this.#state;
    if (state.tag === "closed") return;
    this.#state = { tag: "closed", fault };
    this.#started.abort();
    if (state.tag === "running") state.command.abandon();
    queueMicrotask(this.#tellClosed);
  }

  readonly #tellClosed = (): void => {
    if (this.#state.tag === "closed") this.#handlers?.closed(this.#state.fault);
  };
}

function notStarted(): Fault {
  const seconds = EXEC_START_TIMEOUT_MS / 1_000;
  return new Fault("openTimedOut", `No command came in ${seconds} s`);
}
