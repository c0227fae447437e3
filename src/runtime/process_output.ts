import type { ExecOutput } from "../protocol/exec_frame.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** Who hears of our own output, from when on. */
export interface ProcessOutputHandlers {
  /** All is taken, after {@linkcode ProcessOutput.write} said false. */
  drain(): void;
  /** The last call: nothing more can be written. */
  failed(fault: Fault): void;
}

const NAMES: Readonly<Record<ExecOutput, string>> = {
  stdout: "standard output",
  stderr: "standard error",
};

/**
 * This process's standard output and standard error, for bytes that come from
 * elsewhere: as they come, and no faster than whoever reads them takes them.
 * To be made once in a process.
 */
export class ProcessOutput {
  readonly #sinks = {
    stdout: Bun.stdout.writer(),
    stderr: Bun.stderr.writer(),
  };
  #handlers: ProcessOutputHandlers | undefined;
  /** Writes that have not been taken yet. */
  #pendingCount = 0;
  #idle = Promise.withResolvers<void>();
  #hasFailed = false;

  constructor() {
    this.#idle.resolve();
  }

  handle(handlers: ProcessOutputHandlers): void {
    this.#handlers = handlers;
  }

  /** Queues `piece`. False: wait for `drain` before counting it as taken. */
  write(output: ExecOutput, piece: Uint8Array): boolean {
    if (this.#hasFailed) return false;
    try {
      const sink = this.#sinks[output];
      const written = sink.write(piece);
      // Without it, a small piece would wait for the end of this turn.
      const flushed = sink.flush();
      this.#await(written, output);
      // While the pipe is full, both are one and the same promise.
      if (flushed !== written) this.#await(flushed, output);
    } catch (error) {
      this.#fail(output, error);
    }
    return this.#pendingCount === 0 && !this.#hasFailed;
  }

  /** Resolves when all that was written is taken, or can never be. */
  async flushed(): Promise<void> {
    while (this.#pendingCount > 0 && !this.#hasFailed) {
      await this.#idle.promise;
    }
  }

  #await(written: number | PromiseLike<number>, output: ExecOutput): void {
    if (typeof written === "number") return;
    if (this.#pendingCount++ === 0) this.#idle = Promise.withResolvers();
    written.then(
      () => {
        if (--this.#pendingCount > 0 || this.#hasFailed) return;
        this.#idle.resolve();
        this.#handlers?.drain();
      },
      (error: unknown) => this.#fail(output, error),
    );
  }

  #fail(output: ExecOutput, error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#idle.resolve();
    const code = errorCode(error);
    const why = code === "EPIPE"
      ? "the other program has gone"
      : code ?? "the system refuses";
    const message = `Cannot write to ${NAMES[output]}: ${why}`;
    this.#handlers?.failed(new Fault("streamReset", message, { cause: error }));
  }
}
