import {
  type ExecError,
  type ExecExit,
  type ExecStart,
  parseExecError,
  parseExecExit,
  parseExecStart,
} from "./exec_message.ts";
import { Fault } from "./fault.ts";
import { EXEC_JSON_MAX_BYTES, EXEC_OUTPUT_MAX_BYTES } from "./limits.ts";

/** The frames of a remote command, inside its stream: docs/PROTOCOL.md §12. */

/** Where a command wrote something. */
export type ExecOutput = "stdout" | "stderr";

/** A frame that is taken as a whole. */
export type ExecMessage =
  | { readonly type: "start"; readonly start: ExecStart }
  | { readonly type: "cancel" }
  | { readonly type: "exit"; readonly exit: ExecExit }
  | { readonly type: "error"; readonly error: ExecError };

type FrameType = ExecMessage["type"] | ExecOutput;

/** Who may send a frame of this type, under which number, how long at most. */
interface FrameRow {
  readonly from: "operator" | "agent";
  readonly byte: number;
  readonly maxBytes: number;
}

const FRAMES: Readonly<Record<FrameType, FrameRow>> = {
  start: { from: "operator", byte: 1, maxBytes: EXEC_JSON_MAX_BYTES },
  cancel: { from: "operator", byte: 2, maxBytes: 0 },
  stdout: { from: "agent", byte: 17, maxBytes: EXEC_OUTPUT_MAX_BYTES },
  stderr: { from: "agent", byte: 18, maxBytes: EXEC_OUTPUT_MAX_BYTES },
  exit: { from: "agent", byte: 19, maxBytes: EXEC_JSON_MAX_BYTES },
  error: { from: "agent", byte: 20, maxBytes: EXEC_JSON_MAX_BYTES },
};

const TYPES_BY_BYTE: ReadonlyMap<number, FrameType> = new Map(
  Object.entries(FRAMES).map(([type, { byte }]) => [byte, type as FrameType]),
);

/** One byte of type, four of length, big-endian. */
const HEADER_BYTES = 5;

/** Returns the frame of `message`. */
export function encodeExecMessage(message: ExecMessage): Uint8Array {
  const payload = message.type === "cancel"
    ? new Uint8Array()
    : new TextEncoder().encode(JSON.stringify(jsonOf(message)));
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  writeHeader(frame, 0, message.type, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function jsonOf(message: Exclude<ExecMessage, { type: "cancel" }>): object {
  switch (message.type) {
    case "start":
      return message.start;
    case "exit":
      return message.exit;
    case "error":
      return message.error;
    default:
      return message satisfies never;
  }
}

/** Returns the frames that carry `chunk`, of any length, as one run of bytes. */
export function encodeExecOutput(
  output: ExecOutput,
  chunk: Uint8Array,
): Uint8Array {
  const frameCount = Math.ceil(chunk.length / EXEC_OUTPUT_MAX_BYTES);
  const frames = new Uint8Array(chunk.length + frameCount * HEADER_BYTES);
  let to = 0;
  for (let from = 0; from < chunk.length; from += EXEC_OUTPUT_MAX_BYTES) {
    const piece = chunk.subarray(from, from + EXEC_OUTPUT_MAX_BYTES);
    writeHeader(frames, to, output, piece.length);
    frames.set(piece, to + HEADER_BYTES);
    to += HEADER_BYTES + piece.length;
  }
  return frames;
}

function writeHeader(
  bytes: Uint8Array,
  at: number,
  type: FrameType,
  length: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  view.setUint8(0, FRAMES[type].byte);
  view.setUint32(1, length);
}

/** What a decoder finds, in order. */
export interface ExecFrameSink {
  /**
   * A piece of output: a view into what was decoded. One frame may come in
   * several pieces, since where it begins and ends means nothing.
   */
  output(output: ExecOutput, piece: Uint8Array): void;
  message(message: ExecMessage): void;
}

/** A frame of which some is still to come. */
interface OpenFrame {
  readonly type: FrameType;
  leftBytes: number;
  /** What came before, of a frame that is taken as a whole. */
  kept: Uint8Array | undefined;
}

/**
 * Reads the frames that one side sends, from chunks of any length. Output is
 * passed on as it comes and never copied; of anything else at most one frame
 * is kept. After a fault it must not be used again.
 */
export class ExecFrameDecoder {
  readonly #from: FrameRow["from"];
  readonly #sink: ExecFrameSink;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #frame: OpenFrame | undefined;

  constructor(from: "operator" | "agent", sink: ExecFrameSink) {
    this.#from = from;
    this.#sink = sink;
  }

  /** Whether all that came was whole frames. */
  get isBetweenFrames(): boolean {
    return this.#headerBytes === 0 && this.#frame === undefined;
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @throws {Fault} `messageInvalid`, `messageTooLarge`, or
   * `messageUnexpected` for a frame that only the other side may send.
   */
  decode(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (!this.#frame) rest = this.#takeHeader(rest);
      if (this.#frame) rest = this.#takePayload(this.#frame, rest);
    }
  }

  #takeHeader(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#frame = this.#openFrame();
    }
    return chunk.subarray(part.length);
  }

  #openFrame(): OpenFrame {
    const view = new DataView(this.#header.buffer);
    const byte = view.getUint8(0);
    const type = TYPES_BY_BYTE.get(byte);
    if (type === undefined) {
      throw new Fault("messageInvalid", `Cannot read frame of type ${byte}`);
    }
    const { from, maxBytes } = FRAMES[type];
    if (from !== this.#from) {
      const message = `Cannot take "${type}" from the ${this.#from}`;
      throw new Fault("messageUnexpected", message);
    }
    const leftBytes = view.getUint32(1);
    if (leftBytes > maxBytes) {
      throw new Fault(
        "messageTooLarge",
        `Cannot read "${type}": over ${maxBytes} bytes`,
      );
    }
    return { type, leftBytes, kept: undefined };
  }

  #takePayload(frame: OpenFrame, chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, frame.leftBytes);
    frame.leftBytes -= part.length;
    const isWhole = frame.leftBytes === 0;
    if (isWhole) this.#frame = undefined;
    const { type } = frame;
    if (type === "stdout" || type === "stderr") {
      if (part.length > 0) this.#sink.output(type, part);
    } else if (isWhole && !frame.kept) {
      this.#sink.message(messageOf(type, part));
    } else {
      const kept = keep(frame, part);
      if (isWhole) this.#sink.message(messageOf(type, kept));
    }
    return chunk.subarray(part.length);
  }
}

/** Puts `part` behind what came before, into memory for the whole frame. */
function keep(frame: OpenFrame, part: Uint8Array): Uint8Array {
  const { kept = new Uint8Array(part.length + frame.leftBytes) } = frame;
  kept.set(part, kept.length - frame.leftBytes - part.length);
  frame.kept = kept;
  return kept;
}

function messageOf(
  type: ExecMessage["type"],
  payload: Uint8Array,
): ExecMessage {
  switch (type) {
    case "start":
      return { type, start: parseExecStart(textOf(payload)) };
    case "cancel":
      return { type };
    case "exit":
      return { type, exit: parseExecExit(textOf(payload)) };
    case "error":
      return { type, error: parseExecError(textOf(payload)) };
    default:
      return type satisfies never;
  }
}

function textOf(payload: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(payload);
  } catch (cause) {
    const message = "Cannot read frame: it is not UTF-8";
    throw new Fault("messageInvalid", message, { cause });
  }
}
