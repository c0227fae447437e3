import {
  type ExecProcess,
  startExecProcess,
} from "../../src/runtime/exec_process.ts";
import type { ExecExit } from "../../src/protocol/exec_message.ts";
import { eventually } from "../support/eventually.ts";

/** A program that runs, and all that it has said. */
export class ExecEar {
  readonly process: ExecProcess;
  /** Rejects if it says anything after its end. */
  readonly exit: Promise<ExecExit>;
  readonly #said = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };

  constructor(argv: readonly string[]) {
    const { promise, resolve, reject } = Promise.withResolvers<ExecExit>();
    this.exit = promise;
    let isOver = false;
    this.process = startExecProcess(argv, {
      output: (output, chunk) => {
        if (isOver) reject(new Error("It spoke after its end"));
        this.#said[output].push(chunk);
      },
      ended: (exit) => {
        if (isOver) reject(new Error("It ended twice"));
        isOver = true;
        // After whatever else is told in this turn.
        setImmediate(() => resolve(exit));
      },
    });
  }

  get chunkCount(): number {
    return this.#said.stdout.length + this.#said.stderr.length;
  }

  bytes(output: "stdout" | "stderr" = "stdout"): Buffer {
    return Buffer.concat(this.#said[output]);
  }

  text(output: "stdout" | "stderr" = "stdout"): string {
    return this.bytes(output).toString();
  }

  /** Resolves once stdout is, to the byte, `latin1`. */
  async says(latin1: string): Promise<void> {
    await eventually(
      `stdout is ${JSON.stringify(latin1)}`,
      () => this.bytes().toString("latin1") === latin1,
    );
  }
}
