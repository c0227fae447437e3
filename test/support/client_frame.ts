/** What a client's frame is made of (RFC 6455 §5.2). */
export interface ClientFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Not the last of its message. */
  readonly isPart?: boolean;
  /** Bits beside the opcode that nobody may set. */
  readonly reservedBits?: number;
  readonly isMasked?: boolean;
  /** What the header says, if that is a lie. */
  readonly saidBytes?: bigint;
}

const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

/** Returns the bytes of a frame, as a client sends it. */
export function clientFrame(frame: ClientFrame): Uint8Array {
  const { isMasked = true, isPart = false, opcode, reservedBits = 0 } = frame;
  const payload = frame.payload ?? new Uint8Array(0);
  const saidBytes = frame.saidBytes ?? BigInt(payload.length);
  const head = Buffer.alloc(10);
  head[0] = (isPart ? 0 : 0x80) | reservedBits | opcode;
  const maskBit = isMasked ? 0x80 : 0;
  let headBytes = 2;
  if (saidBytes < 126n) head[1] = maskBit | Number(saidBytes);
  else if (saidBytes < 65_536n) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(Number(saidBytes), 2);
    headBytes = 4;
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(saidBytes, 2);
    headBytes = 10;
  }
  const masked = payload.map((byte, i) =>
    isMasked ? byte ^ (MASK[i & 3] ?? 0) : byte
  );
  const mask = isMasked ? MASK : new Uint8Array(0);
  return Buffer.concat([head.subarray(0, headBytes), mask, masked]);
}
