import type { OpenPath } from "./bench_path.ts";

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

/** Returns those bars whose two sides were measured. */
export function measured(bars: readonly Bar[]): Bar[] {
  return bars.filter(({ value }) => !Number.isNaN(value));
}
