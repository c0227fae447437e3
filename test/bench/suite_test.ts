import { expect, test } from "bun:test";
import { holds, measured, ratioOf, valueOf } from "../../bench/suite.ts";

const COMMON = { suite: "bulk", name: "down" };

test("holds() counts the limit itself as good, either way", () => {
  expect(holds({ ...COMMON, value: 1, atLeast: 1 })).toBe(true);
  expect(holds({ ...COMMON, value: 0.99, atLeast: 1 })).toBe(false);
  expect(holds({ ...COMMON, value: 3, atMost: 3 })).toBe(true);
  expect(holds({ ...COMMON, value: 3.01, atMost: 3 })).toBe(false);
});

test("valueOf() finds by figure and path; what is not there is NaN", () => {
  const figures = [
    { suite: "bulk", figure: "down", path: "a", value: 1, unit: "MB/s" },
    { suite: "bulk", figure: "up", path: "a", value: 2, unit: "MB/s" },
    { suite: "bulk", figure: "up", path: "b", value: 3, unit: "MB/s" },
  ];
  expect(valueOf(figures, "up", "b")).toBe(3);
  expect(valueOf(figures, "up", "c")).toBeNaN();
});

test("measured() leaves out what has a side that is not there", () => {
  const bars = [
    { ...COMMON, value: NaN, atLeast: 1 },
    { ...COMMON, value: 0, atLeast: 1 },
  ];
  expect(measured(bars)).toEqual(bars.slice(1));
});

test("ratioOf() compares round by round, and then takes the median", () => {
  const figure = (path: string, rounds: number[]) => (
    { suite: "bulk", figure: "up", path, value: NaN, unit: "MB/s", rounds }
  );
  // Twice as fast in each round, on a machine that got ten times slower.
  const figures = [figure("a", [200, 200, 20]), figure("b", [100, 100, 10])];
  expect(ratioOf(figures, ["up", "a"], ["up", "b"])).toBe(2);
  expect(ratioOf(figures, ["up", "a"], ["up", "c"])).toBeNaN();
  expect(ratioOf(figures, ["up", "c"], ["up", "a"])).toBeNaN();
});
