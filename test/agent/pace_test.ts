import { expect, test } from "bun:test";
import { Pace } from "../../src/agent/pace.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const running = new AbortController().signal;

test("Pace keeps an interval between questions, however many want to ask", async () => {
  const clock = new ManualClock();
  const pace = new Pace(1_000, clock);
  const askedMs: number[] = [];
  const ask = async () => {
    await pace.wait(running);
    askedMs.push(clock.now());
  };
  await ask();
  const waiting = [ask(), ask()];
  await clock.advance(5_000);
  await Promise.all(waiting);
  await ask();
  await clock.advance(400);
  const last = ask();
  await clock.advance(600);
  await last;
  expect(askedMs).toEqual([0, 1_000, 2_000, 5_000, 6_000]);
});

test("Pace lets go of whoever is told to stop", async () => {
  const clock = new ManualClock();
  const pace = new Pace(1_000, clock);
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  await pace.wait(running);
  const waiting = pace.wait(stop.signal);
  stop.abort(reason);
  expect(await rejection(waiting)).toBe(reason);
  expect(await rejection(pace.wait(stop.signal))).toBe(reason);
  expect(clock.sleeperCount).toBe(0);
});
