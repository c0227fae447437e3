import { expect, test } from "bun:test";
import { join } from "node:path";
import { runChild } from "../support/child.ts";

const PROGRAM = join(import.meta.dir, "hang_program.ts");
const TIMEOUT_MS = 300;

async function ran(how: string) {
  const startMs = performance.now();
  const argv = [process.execPath, PROGRAM, how, String(TIMEOUT_MS)];
  const { status, stderr } = await runChild(argv);
  return { status, stderr, ms: performance.now() - startMs };
}

test("ownWatchdog() lets a process alone that feeds it", async () => {
  const { ms, status, stderr } = await ran("end");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(ms).toBeGreaterThan(3 * TIMEOUT_MS);
});

test("ownWatchdog() ends a process with 75 that makes no progress", async () => {
  const { status } = await ran("starve");
  expect(status).toBe(75);
});

test("ownWatchdog() ends a process with 75 whose event loop is frozen", async () => {
  const { status } = await ran("freeze");
  expect(status).toBe(75);
});
