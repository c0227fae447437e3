import type { Comparison } from "./baseline.ts";
import { type Bar, holds, type SuiteResult } from "./suite.ts";

/** Prints figures, then ratios. Returns whether each ratio is good enough. */
export function printTable(
  results: readonly SuiteResult[],
  say: (line: string) => void,
): boolean {
  let isGood = true;
  for (const { figures, bars } of results) {
    for (const { figure, path, suite, unit, value } of figures) {
      const shown = value.toFixed(1).padStart(9);
      say(`${suite.padEnd(11)} ${figure.padEnd(14)} ${shown} ${unit}  ${path}`);
    }
    for (const bar of bars) {
      const isHeld = holds(bar);
      isGood &&= isHeld;
      const value = bar.value.toFixed(2).padStart(9);
      say(
        `${bar.suite.padEnd(11)} ${isHeld ? "good" : "MISS"} ${value}  ` +
          `${bar.name} (${limitOf(bar)})`,
      );
    }
  }
  return isGood;
}

/** Prints ratios beside the baseline's. Returns whether none is worse. */
export function printComparisons(
  comparisons: readonly Comparison[],
  say: (line: string) => void,
): boolean {
  for (const { baseline, gainShare, isWorse, key, value } of comparisons) {
    const percent = Math.round(gainShare * 100);
    const gain = `${percent < 0 ? "" : "+"}${percent} %`.padStart(7);
    say(
      `baseline    ${isWorse ? "WORSE" : "ok   "} ${gain}  ${key}: ` +
        `${value.toFixed(2)}, was ${baseline.toFixed(2)}`,
    );
  }
  return !comparisons.some(({ isWorse }) => isWorse);
}

function limitOf({ atLeast, atMost, unit }: Bar): string {
  const limit = atLeast === undefined
    ? `at most ${atMost}`
    : `at least ${atLeast}`;
  return unit === undefined ? limit : `${limit} ${unit}`;
}
