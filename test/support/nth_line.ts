import { setTimeout as turn } from "node:timers/promises";
import type { Child } from "./child.ts";

/** Between two looks: much less than what is measured with it. */
const LOOK_EVERY_MS = 5;

/** How many lines of its stderr `pattern` has matched so far. */
export function lineCount(child: Child, pattern: RegExp): number {
  return child.output().stderr.split("\n")
    .filter((line) => pattern.test(line)).length;
}

/** Resolves with the `count`th line of stderr that `pattern` matches. */
export async function nthLine(
  child: Child,
  pattern: RegExp,
  count: number,
  timeoutMs = 20_000,
): Promise<string> {
  const startMs = performance.now();
  for (;;) {
    const line = child.output().stderr.split("\n")
      .filter((line) => pattern.test(line))[count - 1];
    if (line !== undefined) return line;
    if (performance.now() - startMs > timeoutMs) {
      const said = child.output().stderr.slice(-4_000);
      throw new Error(`There is no ${count}th line like ${pattern}\n${said}`);
    }
    await turn(LOOK_EVERY_MS);
  }
}
