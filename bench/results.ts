import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { resolve } from "node:path";
import type { Baseline } from "./baseline.ts";
import { drawSuite } from "./plots.ts";
import type { Bar, Figure, SuiteResult } from "./suite.ts";

const DIR = resolve(import.meta.dir, "results");
const PLOT_DIR = resolve(import.meta.dir, "../docs/plots");
const BASELINE = resolve(import.meta.dir, "baseline.json");

/** What is kept of a suite's last run. */
export interface SavedResult {
  readonly suite: string;
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  /** Of the last minute, before and after: others' work is in the figures. */
  readonly loads: readonly [number, number];
  readonly roundCount: number;
  readonly figures: readonly Figure[];
  readonly bars: readonly Bar[];
}

/** The load of the last minute. */
export function currentLoad(): number {
  return loadavg()[0] ?? NaN;
}

/** Writes `bench/results/<suite>.json`. */
export async function saveResult(
  suite: string,
  roundCount: number,
  startLoad: number,
  { bars, figures }: SuiteResult,
): Promise<void> {
  await mkdir(DIR, { recursive: true });
  const saved: SavedResult = {
    suite,
    at: new Date().toISOString(),
    machine: { cpu: cpus()[0]?.model ?? "", cores: cpus().length },
    loads: [startLoad, currentLoad()],
    roundCount,
    figures,
    bars,
  };
  const text = `${JSON.stringify(saved, null, 2)}\n`;
  await writeFile(resolve(DIR, `${suite}.json`), text);
}

/** Draws the last results of all suites. Returns the files' names. */
export async function drawResults(): Promise<string[]> {
  await mkdir(PLOT_DIR, { recursive: true });
  const names: string[] = [];
  for (const file of (await readdir(DIR)).sort()) {
    const text = await readFile(resolve(DIR, file), "utf8");
    const { figures, suite } = JSON.parse(text) as SavedResult;
    const svg = drawSuite(suite, figures);
    if (svg === undefined) continue;
    await writeFile(resolve(PLOT_DIR, `${suite}.svg`), svg);
    names.push(`docs/plots/${suite}.svg`);
  }
  return names;
}

export async function readBaseline(): Promise<Baseline> {
  return JSON.parse(await readFile(BASELINE, "utf8")) as Baseline;
}

export async function writeBaseline(baseline: Baseline): Promise<void> {
  const sorted = Object.fromEntries(
    Object.entries(baseline).sort(([a], [b]) => a < b ? -1 : 1),
  );
  await writeFile(BASELINE, `${JSON.stringify(sorted, null, 2)}\n`);
}
