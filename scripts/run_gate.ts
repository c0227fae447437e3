import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gate } from "./gates.ts";
import { readTestReport } from "./read_test_report.ts";
import { type CommandResult, runCommand } from "./run_command.ts";

/** How a gate went. A gate that is no test run counts as one test. */
export interface Verdict {
  readonly state: "PASS" | "FAIL" | "SKIP";
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly elapsedMs: number;
  /** What a reader must see; nothing if all is well. */
  readonly text: string;
}

/**
 * Runs one gate.
 *
 * @param testPaths Every test file there is; a test run picks its own.
 * @param limitMs What is left for the whole check.
 */
export async function runGate(
  gate: Gate,
  testPaths: readonly string[],
  limitMs: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const ownMs = Math.min(gate.limitMs, limitMs);
  if (gate.tests) {
    const files = testPaths.filter((path) => gate.tests?.include.test(path));
    return await runTests(gate, files, ownMs, signal);
  }
  const result = await runCommand(gate.command, ownMs, signal);
  const { exitCode, elapsedMs } = result;
  const rest = { passed: 0, failed: 0, skipped: 0, elapsedMs };
  if (exitCode === 0) return { ...rest, state: "PASS", passed: 1, text: "" };
  const text = outputOf(gate, result, ownMs);
  return exitCode === gate.skipStatus
    ? { ...rest, state: "SKIP", skipped: 1, text }
    : { ...rest, state: "FAIL", failed: 1, text };
}

async function runTests(
  gate: Gate,
  files: readonly string[],
  limitMs: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const dir = await mkdtemp(join(tmpdir(), "migasfree-report-"));
  try {
    const reportPath = join(dir, "junit.xml");
    const command = [
      ...gate.command,
      "--only-failures",
      `--timeout=${gate.tests?.limitMs}`,
      "--reporter=junit",
      `--reporter-outfile=${reportPath}`,
      // With a leading ./ it is a file to run, else a text to look for.
      ...files.map((file) => `./${file}`),
    ];
    const result = await runCommand(command, limitMs, signal);
    const report = Bun.file(reportPath);
    const xml = await report.exists() ? await report.text() : undefined;
    return judgeTests(gate, files, xml, result, limitMs);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Exported for its test: a failed run never looks like a good one. */
export function judgeTests(
  gate: Gate,
  files: readonly string[],
  xml: string | undefined,
  result: CommandResult,
  limitMs: number,
): Verdict {
  const { passed, failed, skipped, silent } = readTestReport(xml, files);
  // An error between tests, or no test at all, is in no report.
  const isBroken = result.exitCode !== 0 || passed + failed + skipped === 0;
  const verdict = {
    passed,
    failed: failed === 0 && isBroken ? 1 : failed,
    skipped,
    elapsedMs: result.elapsedMs,
  };
  if (verdict.failed === 0) {
    return { ...verdict, state: "PASS", text: reasons(result.output) };
  }
  const lines = silent.map((file) => `${file}: did not report`);
  const text = [outputOf(gate, result, limitMs), ...lines].join("\n");
  return { ...verdict, state: "FAIL", text };
}

function outputOf(gate: Gate, result: CommandResult, limitMs: number): string {
  const end = result.isLate
    ? `${gate.name} was stopped after ${(limitMs / 1_000).toFixed(1)} s`
    : `${gate.command.join(" ")} ended with ${result.exitCode}`;
  return `${result.output.trimEnd()}\n${end}`;
}

/** Why tests were skipped; test/support says it in lines like these. */
function reasons(output: string): string {
  const lines = output.split("\n").filter((line) => /^Skipping: /.test(line));
  return [...new Set(lines)].join("\n");
}
