import { expect, test } from "bun:test";
import { printComparisons, printTable } from "../../bench/report.ts";

const FIGURE = {
  suite: "bulk",
  figure: "down",
  path: "direct",
  value: 12.34,
  unit: "MB/s",
};

test("printTable() prints figures, then bars with their limits", () => {
  const lines: string[] = [];
  const bars = [
    { suite: "bulk", name: "down", value: 1.5, atLeast: 1 },
    { suite: "open", name: "p50", value: 11, atMost: 10, unit: "ms" },
  ];
  const isGood = printTable(
    [{ figures: [FIGURE], bars }],
    (line) => lines.push(line),
  );
  expect(isGood).toBe(false);
  expect(lines).toEqual([
    "bulk        down                12.3 MB/s  direct",
    "bulk        good      1.50  down (at least 1)",
    "open        MISS     11.00  p50 (at most 10 ms)",
  ]);
});

test("printTable() is content with bars that hold, and without any", () => {
  const bars = [{ suite: "bulk", name: "down", value: 1, atLeast: 1 }];
  expect(printTable([{ figures: [], bars }], () => undefined)).toBe(true);
  expect(printTable([], () => undefined)).toBe(true);
});

test("printComparisons() says how much better or worse each is", () => {
  const lines: string[] = [];
  const isSteady = printComparisons([
    { key: "a: b", value: 1, baseline: 2, gainShare: -0.5, isWorse: true },
    { key: "c: d", value: 1, baseline: 2, gainShare: 0.5, isWorse: false },
  ], (line) => lines.push(line));
  expect(isSteady).toBe(false);
  expect(lines).toEqual([
    "baseline    WORSE   -50 %  a: b: 1.00, was 2.00",
    "baseline    ok      +50 %  c: d: 1.00, was 2.00",
  ]);
});
