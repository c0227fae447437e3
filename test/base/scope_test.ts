import { expect, test } from "bun:test";
import { Scope } from "../../src/base/scope.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const NEVER = new AbortController().signal;

function resource(name: string, order: string[], error?: Error) {
  return {
    [Symbol.asyncDispose]: () => {
      order.push(name);
      return error ? Promise.reject(error) : Promise.resolve();
    },
  };
}

test("Scope ends its tasks before it disposes what they use, newest first", async () => {
  const order: string[] = [];
  const clock = new ManualClock();
  {
    await using scope = new Scope(NEVER);
    scope.own(resource("first", order));
    scope.own(resource("second", order));
    scope.go(async (signal) => {
      const error = await rejection(clock.sleep(60_000, signal));
      order.push(`task: ${error}`);
    });
  }
  expect(order).toEqual(["task: AbortError: Scope ended", "second", "first"]);
});

test("Scope.join() rethrows the first failure and aborts the other tasks", async () => {
  const clock = new ManualClock();
  const boom = new Error("boom");
  let told: unknown;
  await using scope = new Scope(NEVER);
  scope.go(async (signal) => {
    told = await rejection(clock.sleep(60_000, signal));
    throw new Error("a later failure");
  });
  scope.go(() => Promise.reject(boom));
  expect(await rejection(scope.join())).toBe(boom);
  expect(told).toBe(boom);
});

test("Scope takes a task that throws before it returns a promise for one that failed", async () => {
  await using scope = new Scope(NEVER);
  const boom = new Error("boom");
  scope.go(() => {
    throw boom;
  });
  expect(await rejection(scope.join())).toBe(boom);
});

test("Scope.join() waits for the tasks that a task starts", async () => {
  const order: string[] = [];
  await using scope = new Scope(NEVER);
  scope.go(async () => {
    await Promise.resolve();
    scope.go(async () => {
      await Promise.resolve();
      order.push("inner");
    });
  });
  await scope.join();
  expect(order).toEqual(["inner"]);
});

test("Scope aborts with its parent's reason", async () => {
  const parent = new AbortController();
  const stopped = new Error("Told to stop");
  const clock = new ManualClock();
  await using scope = new Scope(parent.signal);
  scope.go((signal) => clock.sleep(1, signal));
  parent.abort(stopped);
  expect(await rejection(scope.join())).toBe(stopped);
  expect(clock.sleeperCount).toBe(0);
});

test("Scope disposes every resource even if one of them fails to", async () => {
  const order: string[] = [];
  const leaving = async () => {
    await using scope = new Scope(NEVER);
    scope.own(resource("first", order));
    scope.own(resource("second", order, new Error("stuck")));
    scope.own(resource("third", order));
  };
  const error = await rejection(leaving());
  expect(String(error)).toContain("Cannot release every resource");
  expect((error as AggregateError).errors.map(String)).toEqual([
    "Error: stuck",
  ]);
  expect(order).toEqual(["third", "second", "first"]);
});

test("Scope may be disposed twice, and disposes what it owns once", async () => {
  const order: string[] = [];
  const scope = new Scope(NEVER);
  scope.own(resource("only", order));
  await scope[Symbol.asyncDispose]();
  await scope[Symbol.asyncDispose]();
  expect(order).toEqual(["only"]);
});

test("Scope leaves no listener on a parent that lives on", async () => {
  const parent = new AbortController();
  for (let i = 0; i < 100; i++) {
    await using scope = new Scope(parent.signal);
    scope.go(() => Promise.resolve());
  }
  expect(abortListenerCount(parent.signal)).toBe(0);
});
