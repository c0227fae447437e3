import {
  ExecFrameDecoder,
  type ExecFrameSink,
  type ExecMessage,
  type ExecOutput,
} from "../../src/protocol/exec_frame.ts";

/** A run of output of one kind, whatever pieces it came in. */
interface Heard {
  readonly type: ExecOutput;
  readonly hex: string;
}

/** A decoder that writes down what it finds. */
export class FrameEar implements ExecFrameSink {
  readonly #decoder: ExecFrameDecoder;
  readonly #said: (Heard | ExecMessage)[] = [];
  #open:
    | { readonly type: ExecOutput; readonly pieces: Uint8Array[] }
    | undefined;

  constructor(from: "operator" | "agent") {
    this.#decoder = new ExecFrameDecoder(from, this);
  }

  get said(): (Heard | ExecMessage)[] {
    this.#closeOutput();
    return [...this.#said];
  }

  get isBetweenFrames(): boolean {
    return this.#decoder.isBetweenFrames;
  }

  decode(chunk: Uint8Array): void {
    this.#decoder.decode(chunk);
  }

  output(output: ExecOutput, piece: Uint8Array): void {
    if (piece.length === 0) throw new Error("Told of nothing");
    if (this.#open?.type !== output) {
      this.#closeOutput();
      this.#open = { type: output, pieces: [] };
    }
    this.#open.pieces.push(piece.slice());
  }

  message(message: ExecMessage): void {
    this.#closeOutput();
    this.#said.push(message);
  }

  #closeOutput(): void {
    if (!this.#open) return;
    const { type, pieces } = this.#open;
    this.#said.push({ type, hex: Buffer.concat(pieces).toHex() });
    this.#open = undefined;
  }
}
