/** A piece of a WebSocket's bytes that is passed on, or not, as a whole. */
export interface FramePiece {
  /** Opcode of the frame (RFC 6455 §5.2); undefined: it is the HTTP head. */
  readonly opcode: number | undefined;
  /** Whether a message ends with it. */
  readonly isFinal: boolean;
  readonly bytes: Uint8Array;
}

/** RFC 6455 §5.2. */
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const HEAD_END = "\r\n\r\n";
const PIECE_MAX_BYTES = 1024 * 1024;

/** Returns whether `piece` is a ping or a pong. */
export function isPing({ opcode }: FramePiece): boolean {
  return opcode === PING || opcode === PONG;
}

/** Returns whether a message, or the goodbye, ends with `piece`. */
export function endsMessage({ opcode, isFinal }: FramePiece): boolean {
  return opcode !== undefined && isFinal && opcode <= CLOSE;
}

/**
 * Splits one direction of a WebSocket without TLS, from its handshake on,
 * into its HTTP head and its frames.
 */
export class WebSocketFrames {
  #rest = Buffer.alloc(0);
  #isHead = true;

  /** @throws {Error} If a frame is longer than any of ours. */
  push(chunk: Uint8Array): FramePiece[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const found: FramePiece[] = [];
    for (;;) {
      const piece = this.#isHead ? this.#head() : this.#frame();
      if (!piece) break;
      this.#rest = this.#rest.subarray(piece.bytes.byteLength);
      found.push(piece);
    }
    if (this.#rest.byteLength > PIECE_MAX_BYTES) {
      throw new Error("Cannot relay what is no WebSocket, or a long frame");
    }
    return found;
  }

  #head(): FramePiece | undefined {
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) return undefined;
    this.#isHead = false;
    const bytes = this.#rest.subarray(0, end + HEAD_END.length);
    return { opcode: undefined, isFinal: false, bytes };
  }

  /** RFC 6455 §5.2. */
  #frame(): FramePiece | undefined {
    const bytes = this.#rest;
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return undefined;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskBytes = (second & 0x80) === 0 ? 0 : 4;
    const headBytes = 2 + lengthBytes + maskBytes;
    if (bytes.byteLength < headBytes) return undefined;
    const payloadBytes = lengthBytes === 0
      ? short
      : lengthBytes === 2
      ? bytes.readUInt16BE(2)
      : Number(bytes.readBigUInt64BE(2));
    if (bytes.byteLength < headBytes + payloadBytes) return undefined;
    return {
      opcode: first & 0x0f,
      isFinal: (first & 0x80) !== 0,
      bytes: bytes.subarray(0, headBytes + payloadBytes),
    };
  }
}
