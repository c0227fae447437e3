import { expect, test } from "bun:test";
import { median, quantile } from "../../bench/statistics.ts";

test("median() is the middle value, in whatever order they come", () => {
  expect(median([5, 1, 100])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(3);
});

test("quantile() is a value that was measured", () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at);
  expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share)))
    .toEqual([1, 101, 199, 200]);
});

test("quantile() leaves its values as they are, and has none of nothing", () => {
  const values = [3, 1, 2];
  quantile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
  expect(quantile([], 0.5)).toBeNaN();
});
