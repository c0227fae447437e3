/**
 * `scripts/bench [SUITE…]`: measures the product beside what else there is, in
 * one run, and prints ratios. Ends with 1 if a bar is missed, or a ratio is
 * worse than `bench/baseline.json` allows.
 */
import { resolve } from "node:path";
import { EXIT_USAGE, parseFlags } from "../scripts/parse_flags.ts";
import { startChild } from "../test/support/child.ts";
import { idleAgent, size, start } from "./agent_suites.ts";
import { compareBaseline, renewBaseline } from "./baseline.ts";
import type { BenchPath, OpenPath } from "./bench_path.ts";
import { bulk, bulkFour, protocol1 } from "./bulk_suites.ts";
import { DIRECT_PATH } from "./direct_path.ts";
import { fleet } from "./fleet_suite.ts";
import { HAPROXY_PATH } from "./haproxy_path.ts";
import { churn, echo, mixed, open } from "./latency_suites.ts";
import { OPENSSH_PATH } from "./openssh_path.ts";
import { PRODUCT_PATH } from "./product_path.ts";
import { describeReferences } from "./references.ts";
import { printComparisons, printTable } from "./report.ts";
import {
  currentLoad,
  drawResults,
  readBaseline,
  saveResult,
  writeBaseline,
} from "./results.ts";
import type { Suite, SuiteResult } from "./suite.ts";
import { PYTHON_PATH, V1_PATH } from "./v1_paths.ts";
import { wan } from "./wan_suite.ts";

const TUNNEL_PATHS = [DIRECT_PATH, PRODUCT_PATH, HAPROXY_PATH, OPENSSH_PATH];

const SUITES: Readonly<
  Record<string, { readonly run: Suite; readonly paths: readonly BenchPath[] }>
> = {
  bulk: { run: bulk, paths: TUNNEL_PATHS },
  "bulk-4": { run: bulkFour, paths: TUNNEL_PATHS },
  echo: { run: echo, paths: TUNNEL_PATHS },
  mixed: { run: mixed, paths: TUNNEL_PATHS },
  open: { run: open, paths: TUNNEL_PATHS },
  wan: { run: wan, paths: [] },
  churn: { run: churn, paths: [PRODUCT_PATH] },
  "idle-agent": { run: idleAgent, paths: [] },
  fleet: { run: fleet, paths: [] },
  start: { run: start, paths: [] },
  size: { run: size, paths: [] },
  "protocol-1": { run: protocol1, paths: [V1_PATH, PYTHON_PATH] },
};

const HELP = `Usage: scripts/bench [SUITE…] [--rounds N] [--no-bars]
                     [--draw] [--renew-baseline]

Measures the product beside OpenSSH, HAProxy and others, in one run, and
prints medians and ratios. A ratio that misses its bar, or is worse than
bench/baseline.json allows, ends it with 1.

Suites: ${Object.keys(SUITES).join(", ")} (default: all)
  --rounds N         how often each path is measured in turn (default: 5)
  --no-bars          a missed bar is no failure
  --draw             draw docs/plots from the last result of each suite;
                     without a SUITE, nothing is measured
  --renew-baseline   what was measured is the baseline from now on
`;

/** 128 and the signal's number, as shells say it. */
const EXIT_SIGINT = 130;
const EXIT_SIGTERM = 143;

const OPTIONS = {
  help: { type: "boolean", default: false },
  rounds: { type: "string", default: "5" },
  "no-bars": { type: "boolean", default: false },
  draw: { type: "boolean", default: false },
  "renew-baseline": { type: "boolean", default: false },
} as const;

process.exit(await main(process.argv.slice(2)));

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { positionals, values } = flags;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const isAll = positionals.length === 0 && !values.draw;
  const names = isAll ? Object.keys(SUITES) : positionals;
  const roundCount = Number(values.rounds);
  if (names.some((name) => !(name in SUITES)) || !(roundCount >= 1)) {
    process.stderr.write(HELP);
    return EXIT_USAGE;
  }
  if (names.length > 0) describeReferences().forEach(say);
  const interrupted = interruption();
  const results: SuiteResult[] = [];
  for (const name of names) {
    const startLoad = currentLoad();
    const result = await runSuite(name, roundCount, interrupted);
    if (typeof result === "number") return result;
    await saveResult(name, roundCount, startLoad, result);
    const endLoad = currentLoad().toFixed(1);
    say(`${name}: load average ${startLoad.toFixed(1)}, ${endLoad} after it`);
    results.push(result);
  }
  const isGood = printTable(results, say);
  const bars = results.flatMap((result) => result.bars);
  const baseline = await readBaseline();
  const isSteady = printComparisons(compareBaseline(bars, baseline), say);
  if (values["renew-baseline"]) {
    await writeBaseline(renewBaseline(bars, baseline));
  }
  if (values.draw) (await drawResults()).forEach(say);
  return isSteady && (isGood || values["no-bars"]) ? 0 : 1;
}

/** Runs a suite; a number: the exit status of a run that was interrupted. */
async function runSuite(
  name: string,
  roundCount: number,
  interrupted: Promise<number>,
): Promise<SuiteResult | number> {
  const suite = SUITES[name];
  if (!suite) throw new Error(`There is no suite ${name}`);
  await using stack = new AsyncDisposableStack();
  const paths = new Map<string, OpenPath>();
  if (suite.paths.length > 0) {
    const program = resolve(import.meta.dir, "service.ts");
    const service = stack.use(startChild([process.execPath, program]));
    const line = await service.line(/^listening /);
    const servicePort = Number(line.trim().split(":").at(-1));
    for (const path of suite.paths) {
      const missing = path.missing();
      if (missing === undefined) {
        paths.set(path.name, stack.use(await path.open(servicePort)));
      } else say(`${name}: without ${path.name}: ${missing}`);
    }
  }
  // Whoever is interrupted leaves no process, namespace or file behind.
  return await Promise.race([
    interrupted,
    suite.run({
      paths,
      roundCount,
      stack,
      say: (text) => process.stderr.write(`${text}\n`),
    }),
  ]);
}

/** Resolves with the exit status once somebody has had enough. */
function interruption(): Promise<number> {
  return new Promise((resolve) => {
    // Some send it twice: the second one must not end the tidying up.
    process.on("SIGINT", () => resolve(EXIT_SIGINT));
    process.on("SIGTERM", () => resolve(EXIT_SIGTERM));
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
