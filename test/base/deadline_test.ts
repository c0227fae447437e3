import { expect, test } from "bun:test";
import { withDeadline } from "../../src/base/deadline.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const late = new Error("Too late");

test("withDeadline() returns what came in time, and lets its timer go", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const answer = await withDeadline(
    () => Promise.resolve("in time"),
    1_000,
    () => late,
    clock,
    stop.signal,
  );
  expect(answer).toBe("in time");
  expect([clock.sleeperCount, abortListenerCount(stop.signal)]).toEqual([0, 0]);
});

test("withDeadline() rejects at the deadline and not before, and stops the work", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  let workSignal: AbortSignal | undefined;
  let settled = false;
  const waiting = rejection(withDeadline(
    (signal) => {
      workSignal = signal;
      return new Promise(() => {});
    },
    1_000,
    () => late,
    clock,
    stop.signal,
  )).finally(() => settled = true);
  await clock.advance(999);
  expect(settled).toBe(false);
  await clock.advance(1);
  expect(await waiting).toBe(late);
  expect(workSignal?.aborted).toBe(true);
});

test("withDeadline() passes on why the work failed, and lets its timer go", async () => {
  const clock = new ManualClock();
  const boom = new Error("boom");
  const waiting = withDeadline(
    () => Promise.reject(boom),
    1_000,
    () => late,
    clock,
    new AbortController().signal,
  );
  expect(await rejection(waiting)).toBe(boom);
  expect(clock.sleeperCount).toBe(0);
});

test("withDeadline() rejects with the reason, at once, when it is told to stop", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  const waiting = rejection(withDeadline(
    () => new Promise(() => {}),
    1_000,
    () => late,
    clock,
    stop.signal,
  ));
  stop.abort(stopped);
  expect(await waiting).toBe(stopped);
  expect(clock.sleeperCount).toBe(0);
});
