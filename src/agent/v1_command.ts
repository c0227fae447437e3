import type { ExecOutput } from "../protocol/exec_frame.ts";
import type { ExecExit } from "../protocol/exec_message.ts";
import type { Fault } from "../protocol/fault.ts";
import type { ExecCommand, ExecHearer } from "../transport/exec_server.ts";
import type { V1Link } from "../transport/v1_link.ts";

/** Above this a command waits until its output has left. */
const BUFFERED_MAX_BYTES = 1024 * 1024;

/** Of one message: JSON writes a byte in six at worst, and all fits below 10 MB. */
const OUTPUT_MAX_BYTES = 256 * 1024;

/** One command that came over protocol 1, and what is said of it. */
export class V1Command implements ExecHearer {
  readonly #id: string;
  readonly #link: V1Link;
  readonly #ended: () => void;
  // A character may come in two pieces; what is no UTF-8 becomes U+FFFD.
  readonly #decoders = {
    stdout: new TextDecoder("utf-8", { ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { ignoreBOM: true }),
  };
  #command: ExecCommand | undefined;
  #isPaused = false;
  #isOver = false;

  /** @param ended Called once, when the last word has been said. */
  constructor(id: string, link: V1Link, ended: () => void) {
    this.#id = id;
    this.#link = link;
    this.#ended = ended;
  }

  /** What runs for it; it has told nothing yet. */
  runs(command: ExecCommand): void {
    this.#command = command;
  }

  output(output: ExecOutput, chunk: Uint8Array): void {
    if (this.#isOver) return;
    for (let at = 0; at < chunk.byteLength; at += OUTPUT_MAX_BYTES) {
      const piece = chunk.subarray(at, at + OUTPUT_MAX_BYTES);
      this.#sayText(
        output,
        this.#decoders[output].decode(piece, { stream: true }),
      );
    }
    if (this.#link.bufferedBytes <= BUFFERED_MAX_BYTES) return;
    this.#isPaused = true;
    this.#command?.pause();
  }

  /** All that was said has left. */
  drained(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#command?.resume();
  }

  ended(exit: ExecExit): void {
    if ("signal" in exit) return this.#fail(`Command ended by ${exit.signal}`);
    this.#finish({
      type: "exec_complete",
      "exec_id": this.#id,
      "exit_code": exit.code,
    });
  }

  failed(fault: Fault): void {
    this.#fail(fault.message);
  }

  /** Nobody can be told any more, or nobody is left to do it. */
  abandon(fault: Fault): void {
    const command = this.#command;
    this.#fail(fault.message);
    command?.abandon();
  }

  #fail(error: string): void {
    this.#finish({ type: "exec_error", "exec_id": this.#id, error });
  }

  #finish(message: object): void {
    if (this.#isOver) return;
    for (const output of ["stdout", "stderr"] as const) {
      this.#sayText(output, this.#decoders[output].decode());
    }
    this.#isOver = true;
    this.#link.say(message);
    this.#ended();
  }

  #sayText(output: ExecOutput, text: string): void {
    if (text === "") return;
    this.#link.say({
      type: "exec_output",
      "exec_id": this.#id,
      stream: output,
      data: text,
    });
  }
}
