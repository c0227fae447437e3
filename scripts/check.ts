import { type Gate, GATES } from "./gates.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";
import { readSources } from "./read_sources.ts";
import { runGate, type Verdict } from "./run_gate.ts";

/** The whole check, on two cores. */
const CHECK_MAX_MS = 10 * 60_000;

const HELP = `Usage: scripts/check [[--only] GATE]… [--list] [--help]

Checks everything that must hold before a change may land; the last line says
how many tests and gates passed. Exit status 0 if none failed.

  --only GATE  run this gate and no other; may be given again
  --list       say what the gates are
  --help       say this
`;

const OPTIONS = {
  only: { type: "string", multiple: true },
  list: { type: "boolean" },
  help: { type: "boolean" },
} as const;

async function main(argv: string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { list, help } = flags.values;
  const only = [...flags.positionals, ...flags.values.only ?? []];
  if (help) return say(HELP);
  if (list) {
    const rows = GATES.map(({ name, does }) => `${name.padEnd(12)} ${does}\n`);
    return say(rows.join(""));
  }
  const unknown = only.find((name) =>
    !GATES.some((gate) => gate.name === name)
  );
  if (unknown !== undefined) {
    const names = GATES.map(({ name }) => name).join(", ");
    process.stderr.write(`No gate is called ${unknown}: there are ${names}\n`);
    return EXIT_USAGE;
  }
  return await check(
    GATES.filter(({ name }) => only.length === 0 || only.includes(name)),
  );
}

async function check(gates: readonly Gate[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stop.abort(new Error(`Stopped by ${signal}`)));
  }
  const startMs = performance.now();
  const testPaths = [...(await readSources("test/**/*_test.ts")).keys()];
  const verdicts = new Map<string, Verdict>();
  for (const gate of gates) {
    if (stop.signal.aborted) break;
    const leftMs = CHECK_MAX_MS - (performance.now() - startMs);
    const missing = gate.needs?.find((name) =>
      verdicts.get(name)?.state === "FAIL"
    );
    const verdict = missing || leftMs <= 0
      ? notRun(missing ? `${missing} failed` : "the check has run out of time")
      : await runGate(gate, testPaths, leftMs, stop.signal);
    verdicts.set(gate.name, verdict);
    say(verdictLine(gate, verdict));
  }
  const all = [...verdicts.values()];
  const failed = sum(all, "failed") + (stop.signal.aborted ? 1 : 0);
  const skipped = sum(all, "skipped");
  say(
    `${sum(all, "passed")} passed, ${failed} failed` +
      `${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
  );
  return failed > 0 ? 1 : 0;
}

function notRun(why: string): Verdict {
  const none = { passed: 0, skipped: 0, elapsedMs: 0 };
  return { ...none, state: "FAIL", failed: 1, text: `Not run: ${why}` };
}

function verdictLine(gate: Gate, verdict: Verdict): string {
  const { state, passed, failed, skipped, elapsedMs, text } = verdict;
  const seconds = `${(elapsedMs / 1_000).toFixed(1)} s`.padStart(8);
  const counts = gate.tests
    ? `  ${passed} passed, ${failed} failed, ${skipped} skipped`
    : "";
  const shown = text === "" ? "" : `${text.replace(/^/gm, "      ")}\n`;
  return `${state}  ${gate.name.padEnd(12)}${seconds}${counts}\n${shown}`;
}

function sum(
  verdicts: readonly Verdict[],
  key: "passed" | "failed" | "skipped",
): number {
  return verdicts.reduce((total, verdict) => total + verdict[key], 0);
}

function say(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
