import type { OpenPath } from "./bench_path.ts";
import { median } from "./statistics.ts";

/** Name of the product's path. */
export const PRODUCT = "migasfree-agent";

/** One figure of one path: the median of its rounds. */
export interface Figure {
  readonly suite: string;
  /** What was measured: `down`, `p50`. */
  readonly figure: string;
  readonly path: string;
  readonly value: number;
  readonly unit: string;
  /** What each round found: `value` is their median. */
  readonly rounds?: readonly number[];
}

/** What a figure, or the ratio of two of one run, has to be. */
export interface Bar {
  readonly suite: string;
  readonly name: string;
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Set where it is no ratio. */
  readonly unit?: string;
}

export interface SuiteResult {
  readonly figures: readonly Figure[];
  readonly bars: readonly Bar[];
}

/** What a suite has to work with. */
export interface BenchContext {
  /** Each path that could be had here, by name. */
  readonly paths: ReadonlyMap<string, OpenPath>;
  readonly roundCount: number;
  /** Ends with the suite, and with a run that is interrupted. */
  readonly stack: AsyncDisposableStack;
  readonly say: (line: string) => void;
}

export type Suite = (context: BenchContext) => Promise<SuiteResult>;

/** Returns whether `bar` holds. */
export function holds({ atLeast, atMost, value }: Bar): boolean {
  return (atLeast === undefined || value >= atLeast) &&
    (atMost === undefined || value <= atMost);
}

/** Returns the value of a figure; NaN if its path is not here. */
export function valueOf(
  figures: readonly Figure[],
  figure: string,
  path: string,
): number {
  return figures.find((it) => it.figure === figure && it.path === path)
    ?.value ?? NaN;
}

/**
 * Returns the median of the rounds' own ratios: a machine that is slow for a
 * while is so for both sides of a round. NaN if a side is not here.
 */
export function ratioOf(
  figures: readonly Figure[],
  [figure, path]: readonly [string, string],
  [otherFigure, otherPath]: readonly [string, string],
): number {
  const rounds = (figure: string, path: string) =>
    figures.find((it) => it.figure === figure && it.path === path)?.rounds ??
      [];
  const others = rounds(otherFigure, otherPath);
  if (others.length === 0) return NaN;
  return median(
    rounds(figure, path).map((value, at) => value / (others[at] ?? NaN)),
  );
}

/** Returns those bars whose two sides were measured. */
export function measured(bars: readonly Bar[]): Bar[] {
  return bars.filter(({ value }) => !Number.isNaN(value));
}
