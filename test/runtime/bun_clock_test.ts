import { expect, test } from "bun:test";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import { rejection } from "../support/rejection.ts";

/** Counts the listeners that are left on a signal. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    count++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    count--;
    remove(...args);
  };
  return { controller, signal, listenerCount: () => count };
}

test("bunClock tells the time, monotonic and of the wall", () => {
  const beforeMs = bunClock.now();
  const wallBeforeMs = Date.now();
  expect(bunClock.now()).toBeGreaterThan(beforeMs);
  expect(bunClock.now() - beforeMs).toBeLessThan(1_000);
  expect(bunClock.wallNow()).toBeGreaterThanOrEqual(wallBeforeMs);
  expect(bunClock.wallNow() - wallBeforeMs).toBeLessThan(1_000);
});

test("bunClock sleeps as long as it is told, and leaves no listener", async () => {
  const { signal, listenerCount } = countedSignal();
  const startMs = bunClock.now();
  const sleeping = bunClock.sleep(40, signal);
  expect(listenerCount()).toBe(1);
  await sleeping;
  const elapsedMs = bunClock.now() - startMs;
  expect(elapsedMs).toBeGreaterThan(38);
  expect(elapsedMs).toBeLessThan(1_000);
  expect(listenerCount()).toBe(0);
});

test("bunClock wakes in the same turn when it is told to stop", async () => {
  const { controller, signal } = countedSignal();
  const reason = new Error("Told to");
  const sleeping = bunClock.sleep(60_000, signal);
  let woken: unknown;
  void sleeping.then(undefined, (error) => {
    woken = error;
  });
  controller.abort(reason);
  await Promise.resolve();
  expect(woken).toBe(reason);
});

test("bunClock does not begin to sleep when it was told to stop before", async () => {
  const reason = new Error("Told to");
  const sleeping = bunClock.sleep(60_000, AbortSignal.abort(reason));
  expect(await rejection(sleeping)).toBe(reason);
});

test("bunClock sleeps longer than a timer can count", async () => {
  const controller = new AbortController();
  const sleeping = bunClock.sleep(2 ** 31 + 1_000, controller.signal);
  const reason = new Error("Still asleep");
  // A timer that overflows fires within a millisecond.
  setTimeout(() => controller.abort(reason), 20);
  expect(await rejection(sleeping)).toBe(reason);
});
