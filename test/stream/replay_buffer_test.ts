import { expect, test } from "bun:test";
import { ReplayBuffer } from "../../src/stream/replay_buffer.ts";

/** Holds 0 to 9 in chunks of 4, 4 and 2. */
function filled(): ReplayBuffer {
  const buffer = new ReplayBuffer();
  for (const chunk of [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]) {
    buffer.push(Uint8Array.from(chunk));
  }
  return buffer;
}

function plain(chunks: readonly Uint8Array[]): number[][] {
  return chunks.map((chunk) => [...chunk]);
}

test("ReplayBuffer has nothing at first, and after it was cleared", () => {
  const empty = new ReplayBuffer();
  empty.trim(0);
  expect([empty.bytes, empty.from(0)]).toEqual([0, []]);
  const cleared = filled();
  cleared.clear();
  expect([cleared.bytes, cleared.from(0)]).toEqual([0, []]);
});

test("ReplayBuffer gives what follows an offset, at a chunk's edge and inside one", () => {
  const buffer = filled();
  expect(plain(buffer.from(0))).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]);
  expect(plain(buffer.from(4))).toEqual([[4, 5, 6, 7], [8, 9]]);
  expect(plain(buffer.from(5))).toEqual([[5, 6, 7], [8, 9]]);
  expect(plain(buffer.from(9))).toEqual([[9]]);
  expect(buffer.from(10)).toEqual([]);
  // The end of a direction counts as one.
  expect(buffer.from(11)).toEqual([]);
  expect(buffer.bytes).toBe(10);
});

test("ReplayBuffer forgets up to each offset, and no further", () => {
  const whole = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let first = 0; first <= 11; first++) {
    for (let then = first; then <= 11; then++) {
      const buffer = filled();
      buffer.trim(first);
      buffer.trim(then);
      expect(buffer.bytes).toBe(Math.max(0, 10 - then));
      for (let from = then; from <= 11; from++) {
        expect(plain(buffer.from(from)).flat()).toEqual(whole.slice(from));
      }
    }
  }
});

test("ReplayBuffer goes on after all was forgotten", () => {
  const buffer = filled();
  buffer.trim(10);
  buffer.push(Uint8Array.of(10, 11));
  expect([buffer.bytes, plain(buffer.from(11))]).toEqual([2, [[11]]]);
});
