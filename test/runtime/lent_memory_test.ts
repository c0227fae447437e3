import { expect, test } from "bun:test";
import { giveBack, lend, lendParts } from "../../src/runtime/lent_memory.ts";

const LONG_BYTES = 64 * 1024;

function pattern(): Uint8Array {
  return new Uint8Array(LONG_BYTES).fill(7);
}

test("lendParts() frees a read when its last part is given back", () => {
  const chunk = pattern();
  const parts = [chunk.subarray(0, 100), chunk.subarray(100, 200)];
  lendParts(chunk, { push: () => parts.forEach(lend) });
  giveBack(chunk.subarray(0, 1));
  expect(chunk.byteLength).toBe(LONG_BYTES);
  giveBack(chunk.subarray(0, 1));
  expect([chunk.byteLength, parts[0]?.byteLength]).toEqual([0, 0]);
});

test("lendParts() keeps a read whose parts are given back while it is read", () => {
  const chunk = pattern();
  const push = () => {
    for (let i = 0; i < 3; i++) {
      lend(chunk.subarray(i, i + 1));
      giveBack(chunk);
    }
    expect(chunk.byteLength).toBe(LONG_BYTES);
  };
  lendParts(chunk, { push });
  expect(chunk.byteLength).toBe(0);
});

test("lendParts() leaves a read whose part somebody keeps", () => {
  const chunk = pattern();
  lendParts(chunk, { push: () => lend(chunk.subarray(1)) });
  expect(chunk.byteLength).toBe(LONG_BYTES);
});

test("giveBack() does nothing to memory that was never lent", () => {
  const chunk = pattern();
  giveBack(chunk);
  expect(chunk.byteLength).toBe(LONG_BYTES);
});
