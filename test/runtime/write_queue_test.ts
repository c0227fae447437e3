import { expect, test } from "bun:test";
import { FREE_MIN_BYTES, noteRead } from "../../src/base/read_memory.ts";
import { type ChunkTaker, WriteQueue } from "../../src/runtime/write_queue.ts";

/** Takes what there is room for; less than 0 is a socket that is gone. */
class Taker implements ChunkTaker {
  readonly taken: number[] = [];
  roomBytes: number;
  callCount = 0;

  constructor(roomBytes: number) {
    this.roomBytes = roomBytes;
  }

  write(chunk: Uint8Array, offset = 0, size = chunk.byteLength - offset) {
    this.callCount++;
    if (this.roomBytes < 0) return -1;
    const part = chunk.subarray(offset, offset + size);
    const fitting = part.subarray(0, this.roomBytes);
    this.taken.push(...fitting);
    this.roomBytes -= fitting.byteLength;
    return fitting.byteLength;
  }
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** A chunk as a socket reads it, alone in its memory. */
function longRead(): Uint8Array {
  const chunk = new Uint8Array(FREE_MIN_BYTES);
  noteRead(chunk);
  return chunk;
}

test("WriteQueue keeps nothing of what is taken at once", () => {
  const queue = new WriteQueue();
  const socket = new Taker(3);
  expect(queue.write(socket, bytes(1, 2, 3))).toBe(true);
  expect(queue.write(socket, bytes())).toBe(true);
  expect([queue.isEmpty, socket.taken]).toEqual([true, [1, 2, 3]]);
});

test("WriteQueue gives the rest in order, whatever there is room for", () => {
  for (let roomBytes = 1; roomBytes < 10; roomBytes++) {
    const queue = new WriteQueue();
    const socket = new Taker(2);
    expect(queue.write(socket, bytes(1, 2, 3, 4))).toBe(false);
    expect(queue.write(socket, bytes(5))).toBe(false);
    expect(queue.write(socket, bytes(6, 7, 8))).toBe(false);
    let flushCount = 0;
    do {
      socket.roomBytes = roomBytes;
      flushCount++;
    } while (!queue.flush(socket));
    expect(socket.taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([queue.isEmpty, flushCount])
      .toEqual([true, Math.ceil(6 / roomBytes)]);
  }
});

test("WriteQueue lets nothing overtake what waits", () => {
  const queue = new WriteQueue();
  const socket = new Taker(0);
  queue.write(socket, bytes(1));
  socket.roomBytes = 10;
  expect(queue.write(socket, bytes(2))).toBe(false);
  expect(socket.taken).toEqual([]);
  expect(queue.flush(socket)).toBe(true);
  expect(queue.write(socket, bytes(3))).toBe(true);
  expect(socket.taken).toEqual([1, 2, 3]);
});

test("WriteQueue frees the memory of a read once it is taken, and not before", () => {
  const queue = new WriteQueue();
  const socket = new Taker(FREE_MIN_BYTES + 1);
  const [first, second, third] = [longRead(), longRead(), longRead()];
  expect(queue.write(socket, first)).toBe(true);
  expect(queue.write(socket, second)).toBe(false);
  expect(queue.write(socket, third)).toBe(false);
  const lengths = () => [first, second, third].map((one) => one.byteLength);
  expect(lengths()).toEqual([0, FREE_MIN_BYTES, FREE_MIN_BYTES]);
  socket.roomBytes = FREE_MIN_BYTES;
  expect(queue.flush(socket)).toBe(false);
  expect(lengths()).toEqual([0, 0, FREE_MIN_BYTES]);
  socket.roomBytes = 1;
  queue.flush(socket);
  socket.roomBytes = FREE_MIN_BYTES;
  expect(queue.flush(socket)).toBe(true);
  expect(lengths()).toEqual([0, 0, 0]);
});

test("WriteQueue gives up with a socket that is gone, at a write and at a flush", () => {
  const atWrite = new WriteQueue();
  const gone = new Taker(-1);
  expect(atWrite.write(gone, bytes(1))).toBe(false);
  expect([atWrite.isRefused, atWrite.isEmpty]).toEqual([true, true]);
  expect(atWrite.write(gone, bytes(2))).toBe(false);
  expect(gone.callCount).toBe(1);

  const atFlush = new WriteQueue();
  const going = new Taker(1);
  atFlush.write(going, bytes(1, 2));
  going.roomBytes = -1;
  expect(atFlush.isRefused).toBe(false);
  expect(atFlush.flush(going)).toBe(false);
  expect([atFlush.isRefused, atFlush.isEmpty]).toEqual([true, true]);
});

test("WriteQueue forgets what waits when it is told to", () => {
  const queue = new WriteQueue();
  const socket = new Taker(1);
  queue.write(socket, bytes(1, 2));
  queue.clear();
  socket.roomBytes = 10;
  expect(queue.flush(socket)).toBe(true);
  expect(queue.write(socket, bytes(3))).toBe(true);
  expect(socket.taken).toEqual([1, 3]);
});
