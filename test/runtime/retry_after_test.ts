import { afterEach, expect, setSystemTime, test } from "bun:test";
import { dateMs, retryAfterMs } from "../../src/runtime/retry_after.ts";

afterEach(() => {
  setSystemTime();
});

test("retryAfterMs() reads seconds, at most a day of them", () => {
  expect(["0", "7", "86400", "86401", "999999999999"].map(retryAfterMs))
    .toEqual([0, 7_000, 86_400_000, 86_400_000, 86_400_000]);
});

test("retryAfterMs() reads a date, and takes one that is past for now", () => {
  setSystemTime(new Date("2031-05-06T07:08:00Z"));
  expect(retryAfterMs("Tue, 06 May 2031 07:08:09 GMT")).toBe(9_000);
  expect(retryAfterMs("Tue, 06 May 2031 07:07:00 GMT")).toBe(0);
});

test("retryAfterMs() ignores what it cannot read", () => {
  expect([null, "", "soon", "-1s", "1e9999"].map(retryAfterMs))
    .toEqual([undefined, undefined, undefined, undefined, undefined]);
});

test("dateMs() reads a date, and nothing else", () => {
  const date = "Tue, 06 May 2031 07:08:09 GMT";
  expect([date, "now", "", null, undefined].map(dateMs)).toEqual([
    Date.UTC(2031, 4, 6, 7, 8, 9),
    ...[undefined, undefined, undefined, undefined],
  ]);
});
