import { expect, test } from "bun:test";
import { AskLimiter } from "../../src/gateway/ask_limiter.ts";
import { ManualClock } from "../support/manual_clock.ts";

test("AskLimiter lets a burst through, and then as many as its pace allows", async () => {
  const clock = new ManualClock();
  const limiter = new AskLimiter(3, 0.01, clock);
  const asked = (count: number) =>
    Array.from({ length: count }, () => limiter.ask());
  expect(asked(4)).toEqual([true, true, true, false]);
  await clock.advance(99);
  expect(asked(1)).toEqual([false]);
  await clock.advance(1);
  expect(asked(2)).toEqual([true, false]);
  // However long it is silent, there is no more than a burst.
  await clock.advance(1_000_000);
  expect(asked(4)).toEqual([true, true, true, false]);
});
