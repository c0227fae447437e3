import { expect, test } from "bun:test";
import { freeRead, noteRead } from "../../src/base/read_memory.ts";

const LONG_BYTES = 64 * 1024;

test("freeRead() empties what one read has brought, and its views", () => {
  const chunk = new Uint8Array(LONG_BYTES).fill(1);
  const view = chunk.subarray(10, 20);
  noteRead(chunk);
  freeRead(chunk.buffer);
  expect([chunk.byteLength, view.byteLength]).toEqual([0, 0]);
  freeRead(chunk.buffer);
});

test("freeRead() leaves alone what nobody has noted", () => {
  const chunk = new Uint8Array(LONG_BYTES).fill(1);
  freeRead(chunk.buffer);
  expect(chunk.byteLength).toBe(LONG_BYTES);
});

test("noteRead() passes over what is short, or in memory of others too", () => {
  const short = new Uint8Array(1_000);
  const part = new Uint8Array(2 * LONG_BYTES).subarray(LONG_BYTES);
  for (const chunk of [short, part]) {
    noteRead(chunk);
    freeRead(chunk.buffer);
  }
  expect([short.byteLength, part.byteLength]).toEqual([1_000, LONG_BYTES]);
});
