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

function limitOf({ atLeast, atMost }: Bar): string {
  return atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
}
