import { giveBack } from "./lent_memory.ts";

/** One frame that is a whole message, or of control (RFC 6455 §5.2). */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** RFC 6455 §5.2, without a mask: two bytes, and eight of a length. */
const HEADER_MAX_BYTES = 10;

/** Up to here a write gets memory of its own, from the runtime's pool. */
const SMALL_MAX_BYTES = 2 * 1024;

/** How much one write carries: less costs more system calls and TLS records. */
const WRITE_MAX_BYTES = 256 * 1024;

const PAGE_BYTES = 4 * 1024;

/** How many memories of long writes are kept when nobody uses them. */
const SPARE_MAX_COUNT = 2;

const spares: Buffer[] = [];

/** Takes bytes; returns false if it needs them until `done` is called. */
export type TakeBytes = (bytes: Uint8Array, done: () => void) => boolean;

/**
 * Hands `take` the first of `queue`, as a server's frames and as one piece.
 * Returns how many payload bytes that were; they are off the queue.
 *
 * The memory for it is used again and again: fresh memory costs more than the
 * copy, because the kernel has to clear it first.
 */
export function writeFrames(queue: Frame[], take: TakeBytes): number {
  const frames = queue.splice(0, fitting(queue));
  let payloadBytes = 0;
  for (const { payload } of frames) payloadBytes += payload.length;
  const size = payloadBytes + frames.length * HEADER_MAX_BYTES;
  if (size <= SMALL_MAX_BYTES) {
    const memory = Buffer.allocUnsafe(size);
    take(memory.subarray(0, putFrames(memory, 0, frames)), noop);
    return payloadBytes;
  }
  const isLonger = size > WRITE_MAX_BYTES;
  const memory = (isLonger ? undefined : spares.pop()) ??
    Buffer.allocUnsafeSlow(Math.max(size, WRITE_MAX_BYTES) + PAGE_BYTES);
  const start = placeFor(frames[0]?.payload.byteOffset ?? 0);
  const end = putFrames(memory, start, frames);
  const done = () => {
    if (!isLonger && spares.length < SPARE_MAX_COUNT) spares.push(memory);
  };
  if (take(memory.subarray(start, end), done)) done();
  return payloadBytes;
}

/** How many of `queue` make one write. */
function fitting(queue: readonly Frame[]): number {
  let bytes = 0;
  const end = queue.findIndex(({ payload }) => {
    bytes += payload.length + HEADER_MAX_BYTES;
    return bytes > WRITE_MAX_BYTES;
  });
  return end < 0 ? queue.length : Math.max(1, end);
}

/**
 * Where in a memory to begin: half a page away from where the payload lies in
 * its own. The C library of many systems copies twenty times slower (0.6 ms
 * for a megabyte, not 0.03) on Zen 3 and 4 where the target is a few bytes
 * further in its page than the source: which is what a header in front makes
 * of two buffers that both begin with a page (sourceware.org, bug 30994).
 */
function placeFor(byteOffset: number): number {
  return (byteOffset + PAGE_BYTES / 2) % PAGE_BYTES;
}

/** Puts frames one behind the other, which uses them up; returns the end. */
function putFrames(
  memory: Buffer,
  start: number,
  frames: readonly Frame[],
): number {
  let at = start;
  for (const { opcode, payload } of frames) {
    const { length } = payload;
    at = putHeader(memory, at, opcode, length);
    memory.set(payload, at);
    at += length;
    giveBack(payload);
  }
  return at;
}

function putHeader(
  memory: Buffer,
  at: number,
  opcode: number,
  length: number,
): number {
  // The last one of its message, which is the only one here.
  memory[at] = 0x80 | opcode;
  if (length < 126) {
    memory[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    memory[at + 1] = 126;
    memory.writeUInt16BE(length, at + 2);
    return at + 4;
  }
  memory[at + 1] = 127;
  memory.writeUInt32BE(0, at + 2);
  memory.writeUInt32BE(length, at + 6);
  return at + 10;
}

function noop(): void {}
