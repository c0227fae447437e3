import { expect, test } from "bun:test";
import { V1Pace } from "../../src/transport/v1_pace.ts";

const MIB = 1024 * 1024;

test("a full tunnel is filled a little slower than it is read", () => {
  const pace = new V1Pace(0);
  for (let ms = 100; ms <= 6_000; ms += 100) pace.taken(0.05 * MIB, ms);
  // 0.5 MiB/s, in bytes per millisecond.
  expect(pace.allowance(true, true, 6_000)).toBeCloseTo(0.4 * MIB / 1_000, 0);
  expect(pace.allowance(false, true, 6_000)).toBe(2 * MIB / 1_000);
  expect(pace.allowance(false, false, 6_000)).toBe(MIB / 1_000);
});

test("a full tunnel is never read so slowly that pings are not heard", () => {
  const pace = new V1Pace(0);
  expect(pace.allowance(true, false, 0)).toBe(0.25 * MIB / 1_000);
});

test("a reader that does not move is not waited for while others share its link", () => {
  const pace = new V1Pace(0);
  pace.taken(1, 1_000);
  expect([1_499, 1_500].map((ms) => pace.allowance(false, true, ms)))
    .toEqual([2 * MIB / 1_000, Infinity]);
  expect(pace.allowance(false, false, 1_500)).toBe(MIB / 1_000);
});

test("a full tunnel whose reader rests waits for its end at a moderate pace", () => {
  const pace = new V1Pace(0);
  pace.taken(1, 1_000);
  expect([2_999, 3_000].map((ms) => pace.allowance(true, true, ms)))
    .toEqual([0.25 * MIB / 1_000, 2 * MIB / 1_000]);
});

test("a reader that has taken nothing for ten seconds stands still", () => {
  const pace = new V1Pace(0);
  pace.taken(1, 5_000);
  expect([pace.isStalled(14_999), pace.isStalled(15_000)])
    .toEqual([false, true]);
});
