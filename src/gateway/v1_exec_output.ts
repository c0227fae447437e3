import type { ExecOutput } from "../protocol/exec_frame.ts";
import type { Fault } from "../protocol/fault.ts";
import type { ExecOutlet } from "../transport/exec_client.ts";

/** Above this, the command waits. */
const BUFFERED_MAX_BYTES = 1024 * 1024;

export interface V1ExecOutputPorts {
  readonly say: (message: object) => void;
  readonly bufferedBytes: () => number;
}

/** The output of one command on its way to an operator of protocol 1. */
export class V1ExecOutput implements ExecOutlet {
  readonly #id: string;
  readonly #ports: V1ExecOutputPorts;
  /** Text, and no character is split: the rest of one waits for the next. */
  readonly #decoders: Readonly<Record<ExecOutput, TextDecoder>> = {
    stdout: new TextDecoder("utf-8", { ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { ignoreBOM: true }),
  };
  #isFull = false;
  #drain: () => void = () => undefined;

  constructor(id: string, ports: V1ExecOutputPorts) {
    this.#id = id;
    this.#ports = ports;
  }

  write(output: ExecOutput, piece: Uint8Array): boolean {
    this.#say(output, this.#decoders[output].decode(piece, { stream: true }));
    this.#isFull = this.#ports.bufferedBytes() > BUFFERED_MAX_BYTES;
    return !this.#isFull;
  }

  handle(handlers: { drain(): void; failed(fault: Fault): void }): void {
    this.#drain = () => handlers.drain();
  }

  /** The operator's link has sent what it had. */
  drained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#drain();
  }

  /** Says what is left of characters that were never completed. */
  flush(): void {
    for (const output of ["stdout", "stderr"] as const) {
      this.#say(output, this.#decoders[output].decode());
    }
  }

  #say(stream: ExecOutput, data: string): void {
    if (data === "") return;
    const id = this.#id;
    this.#ports.say({ type: "exec_output", "exec_id": id, stream, data });
  }
}
