import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { heapStats } from "bun:jsc";
import { dropBallast, holdBallast } from "../../src/runtime/heap_ballast.ts";

const MIB = 1024 * 1024;

async function residentBytes(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8");
  return Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1]) * 1024;
}

function heapBytes(): number {
  const { extraMemorySize, heapSize } = heapStats();
  return heapSize + extraMemorySize;
}

test("holdBallast() makes the heap large, once, and takes no memory for it", async () => {
  const before = { heap: heapBytes(), resident: await residentBytes() };
  holdBallast();
  holdBallast();
  expect(heapBytes() - before.heap).toBeGreaterThan(30 * MIB);
  expect(await residentBytes() - before.resident).toBeLessThan(8 * MIB);
  dropBallast();
});
