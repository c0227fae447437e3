import { expect, test } from "bun:test";
import {
  compareBaseline,
  DEFAULT_TOLERANCE,
  renewBaseline,
} from "../../bench/baseline.ts";

const BASELINE = {
  "bulk: down": { value: 2, tolerance: 0.25 },
  "echo: p99": { value: 2, tolerance: 0.25 },
};

test("compareBaseline() knows which way is worse", () => {
  const bars = [
    { suite: "bulk", name: "down", value: 1, atLeast: 1 },
    { suite: "echo", name: "p99", value: 1, atMost: 2 },
  ];
  expect(compareBaseline(bars, BASELINE)).toEqual([
    {
      key: "bulk: down",
      value: 1,
      baseline: 2,
      gainShare: -0.5,
      isWorse: true,
    },
    { key: "echo: p99", value: 1, baseline: 2, gainShare: 0.5, isWorse: false },
  ]);
});

test("compareBaseline() forgives as much as the tolerance, and no more", () => {
  const isWorse = (value: number) =>
    compareBaseline(
      [{ suite: "echo", name: "p99", value, atMost: 9 }],
      BASELINE,
    ).map((it) => it.isWorse);
  expect(isWorse(2.5)).toEqual([false]);
  expect(isWorse(2.51)).toEqual([true]);
});

test("compareBaseline() says nothing of what it does not know", () => {
  const bars = [{ suite: "bulk", name: "up", value: 1, atLeast: 1 }];
  expect(compareBaseline(bars, BASELINE)).toEqual([]);
});

test("renewBaseline() keeps tolerances and others' entries, and ratios only", () => {
  const bars = [
    { suite: "bulk", name: "down", value: 3.14159, atLeast: 1 },
    { suite: "bulk", name: "up", value: 1, atLeast: 1 },
    { suite: "size", name: "binary", value: 119, atMost: 115, unit: "MB" },
  ];
  const own = { "bulk: down": { value: 2, tolerance: 0.1 } };
  expect(renewBaseline(bars, { ...BASELINE, ...own })).toEqual({
    "bulk: down": { value: 3.142, tolerance: 0.1 },
    "bulk: up": { value: 1, tolerance: DEFAULT_TOLERANCE },
    "echo: p99": { value: 2, tolerance: 0.25 },
  });
});

test("bench/baseline.json has entries that can be compared with", async () => {
  const file = new URL("../../bench/baseline.json", import.meta.url);
  const entries = Object.entries(await Bun.file(file).json());
  expect(entries.length).toBeGreaterThan(0);
  for (const [key, entry] of entries) {
    const expected = {
      value: expect.any(Number),
      tolerance: expect.any(Number),
    };
    expect([key, entry]).toEqual([
      expect.stringMatching(/^[\w-]+: ./),
      expected,
    ]);
  }
});
