import { expect, test } from "bun:test";
import { RunningTunnels } from "../../src/agent/running_tunnels.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ManualClock } from "../support/manual_clock.ts";

const TUNNEL = { id: "t", service: "ssh", operator: "ana" };

function bench(maxCount: number) {
  const clock = new ManualClock();
  const counts: number[] = [];
  const running = new RunningTunnels(
    maxCount,
    clock,
    () => void counts.push(running.all.length),
  );
  return { clock, counts, running };
}

test("RunningTunnels shows what has begun, since when, until it has ended", () => {
  const { clock, counts, running } = bench(2);
  const ended = running.begin(TUNNEL);
  running.begin(TUNNEL);
  const shown = { ...TUNNEL, sinceMs: clock.wallNow() };
  expect(running.all).toEqual([shown, shown]);
  ended();
  ended();
  expect(running.all).toEqual([shown]);
  expect(counts).toEqual([1, 2, 1, 1]);
});

test("RunningTunnels begins no more than there may be, as last said", () => {
  const { running } = bench(2);
  const code = () => {
    try {
      running.begin(TUNNEL);
      return "begun";
    } catch (error) {
      const { code, message } = Fault.from(error);
      return `${code}: ${message}`;
    }
  };
  const full = (count: number) =>
    `quotaExceeded: The agent has ${count} tunnels open, its limit`;
  expect([code(), code(), code()]).toEqual(["begun", "begun", full(2)]);
  running.limitTo(1);
  expect(code()).toBe(full(1));
  expect(running.all).toHaveLength(2);
  running.limitTo(3);
  expect(code()).toBe("begun");
});
