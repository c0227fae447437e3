import { expect, test } from "bun:test";
import { fieldOf, processFigures } from "../../bench/process_figures.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

test("fieldOf() reads the field of that whole name", () => {
  const status =
    "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t5\n";
  expect(fieldOf(status, "voluntary_ctxt_switches")).toBe(5);
  expect(fieldOf(status, "other")).toBeNaN();
});

testUnless(notLinux())("processFigures() knows this process", async () => {
  const figures = await processFigures(process.pid);
  expect(figures.residentBytes).toBeGreaterThan(figures.anonymousBytes);
  expect(figures.anonymousBytes).toBeGreaterThan(1_000_000);
  expect(figures.wakeCount).toBeGreaterThan(0);
});
