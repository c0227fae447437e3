import { unmask } from "./ws_mask.ts";

/** RFC 6455 §11.8. */
export const OPCODES = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** RFC 6455 §5.5: close, ping and pong have this bit. */
const CONTROL_BIT = 0x8;
const CONTROL_MAX_BYTES = 125;

/** RFC 6455 §7.4.1. */
const PROTOCOL_ERROR = 1002;
const INVALID_TEXT = 1007;
const TOO_LONG = 1009;

/** RFC 6455 §5.2: two bytes, eight of a length, four of a mask. */
const HEADER_MAX_BYTES = 14;

/** What a {@linkcode FrameReader} has read, in order. */
export interface FrameSink {
  /** The hearer may keep `message`, which may be a view into what was read. */
  message(message: string | Uint8Array): void;
  /** The hearer may not keep `payload`. */
  pinged(payload: Uint8Array): void;
  ponged(): void;
  /** The peer says goodbye; 1005 if it says no code. Nothing is read after. */
  goodbye(code: number, reason: string): void;
  /** What the peer sent is no WebSocket's. Nothing is read after. */
  failed(code: number, why: string): void;
}

interface Header {
  readonly opcode: number;
  readonly isLast: boolean;
}

/** Why a frame is refused: a close code (RFC 6455 §7.4.1), and words. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, why: string) {
    super(why);
    this.code = code;
  }
}

/**
 * Reads what a client sends over a WebSocket (RFC 6455 §5), for a server.
 *
 * A message that lies whole in one piece of what was read is handed on where
 * it lies: reads of a fast line bring half a MiB, and copying all of it costs
 * more than TLS does (docs/PERFORMANCE.md).
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxBytes: number;
  /** The header that is being read, and how much of it is here. */
  readonly #head = new Uint8Array(HEADER_MAX_BYTES);
  #headBytes = 0;
  /** Set while a frame's payload is being read. */
  #header: Header | undefined;
  #payloadBytes = 0;
  /** Set if a payload comes in more than one piece: what of it is here. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;
  /** Set between the frames of one message: its opcode, and its pieces. */
  #fragmentOpcode: number | undefined;
  #fragments: Uint8Array[] = [];
  #fragmentBytes = 0;
  #isOver = false;

  /** @param maxBytes Longest message; a longer one is refused with 1009. */
  constructor(sink: FrameSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  /** Reads on. Masked bytes are unmasked in place: `chunk` is given away. */
  push(chunk: Uint8Array): void {
    try {
      let at = 0;
      while (at < chunk.length && !this.#isOver) {
        at = this.#header ? this.#take(chunk, at) : this.#takeHead(chunk, at);
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#isOver = true;
      this.#sink.failed(error.code, error.message);
    }
  }

  /** Takes a header byte by byte; returns where what follows it begins. */
  #takeHead(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length) {
      this.#head[this.#headBytes++] = chunk[at++] ?? 0;
      if (this.#headBytes < 2) continue;
      if (this.#headBytes < headerBytes(this.#head)) continue;
      this.#headBytes = 0;
      this.#begin();
      break;
    }
    return at;
  }

  #begin(): void {
    const [first = 0, second = 0] = this.#head;
    const header = { opcode: first & 0xf, isLast: (first & 0x80) !== 0 };
    if ((first & 0x70) !== 0) throw refused("reserved bits are set");
    if ((second & 0x80) === 0) throw refused("it is not masked");
    this.#payloadBytes = payloadBytes(this.#head);
    this.#check(header);
    this.#header = header;
    if (this.#payloadBytes === 0) this.#frame(new Uint8Array(0));
  }

  #check({ isLast, opcode }: Header): void {
    const isControl = (opcode & CONTROL_BIT) !== 0;
    if (opcode > OPCODES.pong || (!isControl && opcode > OPCODES.binary)) {
      throw refused("its opcode is unknown");
    }
    if (isControl) {
      if (isLast && this.#payloadBytes <= CONTROL_MAX_BYTES) return;
      throw refused("a control frame is too long, or one of several");
    }
    const isContinued = opcode === OPCODES.continuation;
    if (isContinued !== (this.#fragmentOpcode !== undefined)) {
      throw refused("its frames are out of order");
    }
    if (this.#fragmentBytes + this.#payloadBytes <= this.#maxBytes) return;
    throw new Refusal(
      TOO_LONG,
      `Cannot read message: over ${this.#maxBytes} bytes`,
    );
  }

  /** Takes what `chunk` has of a payload; returns where that ends. */
  #take(chunk: Uint8Array, at: number): number {
    const missingBytes = this.#payloadBytes - this.#gatheredBytes;
    const piece = chunk.subarray(at, at + missingBytes);
    if (piece.length === this.#payloadBytes) {
      this.#frame(piece);
      return at + piece.length;
    }
    this.#gathered ??= new Uint8Array(this.#payloadBytes);
    this.#gathered.set(piece, this.#gatheredBytes);
    this.#gatheredBytes += piece.length;
    if (this.#gatheredBytes === this.#payloadBytes) this.#frame(this.#gathered);
    return at + piece.length;
  }

  #frame(payload: Uint8Array): void {
    const header = this.#header;
    if (!header) return;
    this.#header = this.#gathered = undefined;
    this.#gatheredBytes = 0;
    unmask(payload, maskOf(this.#head));
    const { isLast, opcode } = header;
    if ((opcode & CONTROL_BIT) !== 0) return this.#control(opcode, payload);
    if (isLast && this.#fragmentOpcode === undefined) {
      return this.#message(opcode, payload);
    }
    this.#fragmentOpcode ??= opcode;
    // Copied: what it came in is gone before the message is whole.
    if (payload.length > 0) this.#fragments.push(new Uint8Array(payload));
    this.#fragmentBytes += payload.length;
    if (isLast) this.#join(this.#fragmentOpcode);
  }

  #join(opcode: number): void {
    const whole = new Uint8Array(this.#fragmentBytes);
    let at = 0;
    for (const piece of this.#fragments) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#fragmentOpcode = undefined;
    this.#fragments = [];
    this.#fragmentBytes = 0;
    this.#message(opcode, whole);
  }

  #message(opcode: number, payload: Uint8Array): void {
    const isText = opcode === OPCODES.text;
    this.#sink.message(isText ? textOf(payload) : payload);
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODES.ping) return this.#sink.pinged(payload);
    if (opcode === OPCODES.pong) return this.#sink.ponged();
    this.#isOver = true;
    if (payload.length === 0) return this.#sink.goodbye(1005, "");
    const code = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
    if (payload.length === 1 || !isCloseCode(code)) {
      throw refused("its close code is none");
    }
    this.#sink.goodbye(code, textOf(payload.subarray(2)));
  }
}

/** Returns how long the header is that begins with these two bytes. */
function headerBytes(head: Uint8Array): number {
  const second = head[1] ?? 0;
  const size = second & 0x7f;
  const extended = size === 127 ? 8 : size === 126 ? 2 : 0;
  return 2 + extended + ((second & 0x80) === 0 ? 0 : 4);
}

function payloadBytes(head: Uint8Array): number {
  const view = new DataView(head.buffer);
  const size = view.getUint8(1) & 0x7f;
  if (size < 126) return size;
  // Beyond 2^53 it is not exact, and refused as too long all the same.
  return size === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
}

/** The mask, which is the header's last four bytes. */
function maskOf(head: Uint8Array): Uint8Array {
  const endAt = headerBytes(head);
  return head.subarray(endAt - 4, endAt);
}

/** RFC 6455 §7.4: those that may be sent. */
function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
}

function textOf(payload: Uint8Array): string {
  try {
    return DECODER.decode(payload);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Refusal(INVALID_TEXT, "Cannot read message: it is no UTF-8");
  }
}

/** A byte order mark is text as any other (RFC 6455 §5.6). */
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function refused(why: string): Refusal {
  return new Refusal(PROTOCOL_ERROR, `Cannot read frame: ${why}`);
}
