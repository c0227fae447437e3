/**
 * `scripts/bench [SUITE…] [--rounds N]`: measures the product beside what else
 * there is, in one run, and prints ratios. Ends with 1 if a bar is missed.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { startChild } from "../test/support/child.ts";
import { parseFlags } from "../scripts/parse_flags.ts";
import type { BenchPath, OpenPath } from "./bench_path.ts";
import { bulk, bulkFour, protocol1 } from "./bulk_suites.ts";
import { DIRECT_PATH } from "./direct_path.ts";
import { HAPROXY_PATH } from "./haproxy_path.ts";
import { churn, echo, mixed, open } from "./latency_suites.ts";
import { OPENSSH_PATH } from "./openssh_path.ts";
import { PRODUCT_PATH } from "./product_path.ts";
import { printTable } from "./report.ts";
import type { Suite, SuiteResult } from "./suite.ts";
import { PYTHON_PATH, V1_PATH } from "./v1_paths.ts";

const TUNNEL_PATHS = [DIRECT_PATH, PRODUCT_PATH, HAPROXY_PATH, OPENSSH_PATH];

const SUITES: Readonly<
  Record<string, { readonly run: Suite; readonly paths: readonly BenchPath[] }>
> = {
  bulk: { run: bulk, paths: TUNNEL_PATHS },
  "bulk-4": { run: bulkFour, paths: TUNNEL_PATHS },
  echo: { run: echo, paths: TUNNEL_PATHS },
  mixed: { run: mixed, paths: TUNNEL_PATHS },
  open: { run: open, paths: TUNNEL_PATHS },
  churn: { run: churn, paths: [PRODUCT_PATH] },
  "protocol-1": { run: protocol1, paths: [V1_PATH, PYTHON_PATH] },
};

const HELP = `Usage: scripts/bench [SUITE…] [--rounds N] [--no-bars]

Measures the product beside OpenSSH, HAProxy and others, in one run, and
prints medians and ratios. A ratio that misses its bar ends it with 1.

Suites: ${Object.keys(SUITES).join(", ")} (default: all)
  --rounds N   how often each path is measured in turn (default: 5)
  --no-bars    a missed bar is no failure
`;

const EXIT_USAGE = 64;

const flags = parseFlags(Bun.argv.slice(2), {
  help: { type: "boolean", default: false },
  rounds: { type: "string", default: "5" },
  "no-bars": { type: "boolean", default: false },
}, HELP);
process.exit(await main());

async function main(): Promise<number> {
  if (!flags) return EXIT_USAGE;
  if (flags.values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const names = flags.positionals.length > 0
    ? flags.positionals
    : Object.keys(SUITES);
  const unknown = names.filter((name) => !(name in SUITES));
  const roundCount = Number(flags.values.rounds);
  if (unknown.length > 0 || !(roundCount >= 1)) {
    process.stderr.write(HELP);
    return EXIT_USAGE;
  }
  const results: SuiteResult[] = [];
  for (const name of names) results.push(await runSuite(name, roundCount));
  const isGood = printTable(results, say);
  await save(names, roundCount, results);
  return isGood || flags.values["no-bars"] ? 0 : 1;
}

async function runSuite(
  name: string,
  roundCount: number,
): Promise<SuiteResult> {
  const suite = SUITES[name];
  if (!suite) throw new Error(`There is no suite ${name}`);
  await using stack = new AsyncDisposableStack();
  const service = stack.use(
    startChild([process.execPath, resolve(import.meta.dir, "service.ts")]),
  );
  const line = await service.line(/^listening /);
  const servicePort = Number(line.trim().split(":").at(-1));
  const paths = new Map<string, OpenPath>();
  for (const path of suite.paths) {
    const missing = path.missing();
    if (missing === undefined) {
      paths.set(path.name, stack.use(await path.open(servicePort)));
    } else say(`${name}: without ${path.name}: ${missing}`);
  }
  return await suite.run({
    paths,
    roundCount,
    say: (text) => process.stderr.write(`${text}\n`),
  });
}

/** A run that is worth keeping can be looked at, and compared, later. */
async function save(
  names: readonly string[],
  roundCount: number,
  results: readonly SuiteResult[],
): Promise<void> {
  const dir = resolve(import.meta.dir, "results");
  await mkdir(dir, { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length };
  const figures = results.flatMap((result) => result.figures);
  const bars = results.flatMap((result) => result.bars);
  const file = resolve(dir, `${names.join("_")}.json`);
  const text = JSON.stringify({ machine, roundCount, figures, bars }, null, 2);
  await writeFile(file, `${text}\n`);
  say(`Written to ${file}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
