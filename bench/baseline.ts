import type { Bar } from "./suite.ts";

/** What a ratio was, and how much worse it may be, as a share of it. */
export interface BaselineEntry {
  readonly value: number;
  readonly tolerance: number;
}

/** `bench/baseline.json`: by `suite: name` of a bar; ratios only. */
export type Baseline = Readonly<Record<string, BaselineEntry>>;

/** A ratio beside what it was. */
export interface Comparison {
  readonly key: string;
  readonly value: number;
  readonly baseline: number;
  /** How much better it is, as a share; below 0: worse. */
  readonly gainShare: number;
  readonly isWorse: boolean;
}

/** Ratios of one run on one machine differ by as much on the next. */
export const DEFAULT_TOLERANCE = 0.25;

/** Compares those bars that the baseline knows. */
export function compareBaseline(
  bars: readonly Bar[],
  baseline: Baseline,
): Comparison[] {
  return bars.filter(isRatio).flatMap((bar) => {
    const key = baselineKey(bar);
    const entry = baseline[key];
    if (!entry) return [];
    const change = bar.value / entry.value - 1;
    const gainShare = bar.atLeast === undefined ? -change : change;
    return [{
      key,
      value: bar.value,
      baseline: entry.value,
      gainShare,
      isWorse: gainShare < -entry.tolerance,
    }];
  });
}

/** The baseline with the ratios of `bars` in the place of its own. */
export function renewBaseline(
  bars: readonly Bar[],
  baseline: Baseline,
): Baseline {
  const renewed = { ...baseline };
  for (const bar of bars.filter(isRatio)) {
    const key = baselineKey(bar);
    const tolerance = baseline[key]?.tolerance ?? DEFAULT_TOLERANCE;
    renewed[key] = { value: Number(bar.value.toFixed(3)), tolerance };
  }
  return renewed;
}

function baselineKey({ name, suite }: Bar): string {
  return `${suite}: ${name}`;
}

/** A figure with a unit says more of the machine than of the product. */
function isRatio({ unit }: Bar): boolean {
  return unit === undefined;
}
