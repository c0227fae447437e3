import { expect, test } from "bun:test";
import { Progress } from "../../src/transport/progress.ts";
import { ManualClock } from "../support/manual_clock.ts";

test("Progress is stuck once a step has lasted longer than it said, and 5 s", async () => {
  const clock = new ManualClock();
  const progress = new Progress(clock, 1_000);
  await clock.advance(6_000);
  expect(progress.isStuck).toBe(false);
  await clock.advance(1);
  expect(progress.isStuck).toBe(true);
});

test("Progress is no longer stuck after the next step", async () => {
  const clock = new ManualClock();
  const progress = new Progress(clock, 0);
  await clock.advance(60_000);
  progress.step(10_000);
  expect(progress.isStuck).toBe(false);
  await clock.advance(15_001);
  expect(progress.isStuck).toBe(true);
});

test("Progress is never stuck in a step without an end", async () => {
  const clock = new ManualClock();
  const progress = new Progress(clock, Number.POSITIVE_INFINITY);
  await clock.advance(1e9);
  expect(progress.isStuck).toBe(false);
});
