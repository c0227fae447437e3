import type { Socket } from "node:net";
import {
  encodeExecMessage,
  ExecFrameDecoder,
  type ExecMessage,
  type ExecOutput,
} from "../protocol/exec_frame.ts";
import type { ExecExit } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** How long root's side may take to say that a cancelled command has ended. */
const CANCEL_TIMEOUT_MS = 15_000;

/** Who hears of a command that root runs. */
export interface ExecHelperSink {
  /** The hearer may keep `chunk`. Not called while paused. */
  output(output: ExecOutput, chunk: Uint8Array): void;
  /** The last call, once: all of its output has been told. */
  ended(exit: ExecExit): void;
  /** The last call instead of `ended`: root refuses, or cannot be asked. */
  failed(fault: Fault): void;
}

/**
 * Has root run an entry of its list: connects to `path`, where systemd starts
 * `exec-helper` for each caller, and says which entry is meant.
 */
export function startByHelper(
  path: string,
  argv: readonly string[],
  sink: ExecHelperSink,
): HelpedCommand {
  return new HelpedCommand(path, argv, sink);
}

/** A command that root runs; what it has started ends with it. */
export class HelpedCommand {
  /** Resolves when root's side has hung up. */
  readonly gone: Promise<void>;
  readonly #socket: Socket;
  readonly #sink: ExecHelperSink;
  #state: "running" | "cancelled" | "told" = "running";
  #isAbandoned = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string, argv: readonly string[], sink: ExecHelperSink) {
    this.#sink = sink;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    // Here: until somebody runs a command, it would be memory for nothing.
    const { connect } = process.getBuiltinModule("node:net");
    const socket = connect(path);
    this.#socket = socket;
    const decoder = new ExecFrameDecoder("agent", {
      // A view into what comes next as well: the hearer keeps its chunks.
      output: (output, piece) => this.#output(output, piece.slice()),
      message: (message) => this.#take(message),
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.decode(chunk);
      } catch (error) {
        this.#fail(Fault.from(error));
      }
    });
    socket.once("error", (error) => this.#fail(helperFault(error)));
    socket.once("close", () => {
      clearTimeout(this.#timer);
      this.#fail(new Fault("linkLost", "Root's helper ended without a word"));
      resolve();
    });
    const start = { argv: [...argv] };
    socket.write(encodeExecMessage({ type: "start", start }));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Asks root's side to end it; may be called again. */
  stop(): void {
    if (this.#state !== "running") return;
    this.#state = "cancelled";
    this.#socket.write(encodeExecMessage({ type: "cancel" }));
    const late = () => this.#fail(notEnded());
    this.#timer = setTimeout(late, CANCEL_TIMEOUT_MS);
  }

  /** Ends it, and forgets what it has still to say. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#socket.resume();
    this.stop();
  }

  #output(output: ExecOutput, piece: Uint8Array): void {
    if (!this.#isAbandoned) this.#sink.output(output, piece);
  }

  #take(message: ExecMessage): void {
    if (message.type === "error") {
      const { code, message: text } = message.error;
      return this.#fail(new Fault(code, text));
    }
    if (message.type !== "exit" || this.#state === "told") return;
    this.#state = "told";
    this.#sink.ended(message.exit);
    this.#socket.end();
  }

  #fail(fault: Fault): void {
    if (this.#state !== "told") {
      this.#state = "told";
      this.#sink.failed(fault);
    }
    this.#socket.destroy();
  }
}

function helperFault(error: unknown): Fault {
  const code = errorCode(error) ?? "no code";
  const isOff = code === "ENOENT" || code === "ECONNREFUSED";
  const fact = isOff
    ? "root's helper is switched off on this device"
    : `root's helper cannot be asked, the system says ${code}`;
  return new Fault("execRefused", `Cannot run the command: ${fact}`, {
    hint: "Run `systemctl start migasfree-agent-exec.socket` there",
    cause: error,
  });
}

function notEnded(): Fault {
  const seconds = CANCEL_TIMEOUT_MS / 1_000;
  return new Fault(
    "execTimedOut",
    `The command has not ended ${seconds} s after it was asked to`,
  );
}
