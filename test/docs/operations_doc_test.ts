import { expect, test } from "bun:test";
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import { FAULTS } from "../../src/protocol/fault.ts";
import { readSources } from "../../scripts/read_sources.ts";
import { sectionOf, sectionsOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const operations = await Bun.file(new URL("docs/OPERATIONS.md", ROOT)).text();

/** Headings about a command: its name in code marks. */
const COMMAND_TITLE_REGEXP = /^`([a-z -]+)`$/;

const nobody = { answer: () => {}, say: () => {} };
const commands = leavesOf(createProgram(nobody, () => {}));

test("OPERATIONS.md has a heading for every command, and no other", () => {
  const told = sectionsOf(operations)
    .flatMap(({ title }) => COMMAND_TITLE_REGEXP.exec(title)?.[1] ?? []);
  expect(told.toSorted()).toEqual([...commands.keys()].sort());
});

test("OPERATIONS.md has every flag of every command, and no other", () => {
  const common = flagsTold(
    sectionOf(operations, "Flags of every operator's command").text,
  );
  expect(common.length).toBeGreaterThan(5);
  for (const [name, command] of commands) {
    const flags = flagsOf(command);
    const isOperators = common.every((flag) => flags.includes(flag));
    const own = isOperators
      ? flags.filter((flag) => !common.includes(flag))
      : flags;
    const told = flagsTold(sectionOf(operations, `\`${name}\``).text);
    expect([name, told.toSorted()]).toEqual([name, own.toSorted()]);
  }
});

test("OPERATIONS.md has every exit status of the faults", () => {
  const told = tableRows(sectionOf(operations, "Exit statuses").text)
    .map(([status]) => Number(status));
  for (const { exitCode } of Object.values(FAULTS)) {
    expect(told).toContain(exitCode);
  }
});

test("OPERATIONS.md has every metric with type and labels, and no other", () => {
  const page = new GatewayMetrics({ version: "1", commit: "c" })
    .page({
      agentsConnected: 1,
      v1AgentsConnected: 1,
      isInsecure: false,
      residentBytes: 1,
    });
  const known = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name = "", type = ""]) => [name, type, labelsOf(name, page)]);
  const told = tableRows(sectionOf(operations, "Metrics").text)
    .map(([name, type, labels = ""]) => [
      name,
      type,
      labels.replaceAll("`", ""),
    ]);
  expect(told).toEqual(known);
});

test("OPERATIONS.md quotes only sentences that the program says", async () => {
  const sources = [...(await readSources("src/**/*.ts")).values()].join("\n");
  // A sentence may go over lines, and be put together.
  const source = sources.replace(/["`]\s*\+\s*["`]/g, "")
    .replaceAll('\\"', '"').replace(/\s+/g, " ");
  const rows = tableRows(sectionOf(operations, "Troubleshooting").text);
  expect(rows.length).toBeGreaterThan(25);
  const unsaid = rows.flatMap(([sentence = ""]) =>
    sentence.split("…")
      .map((piece) => piece.replace(/^[\s:;,"]+|[\s:;,"(]+$/g, ""))
      .filter((piece) => !source.includes(piece))
      .map((piece) => ({ sentence, piece }))
  );
  expect(unsaid).toEqual([]);
  const unclear = rows.filter(([, cause = "", todo = ""]) =>
    cause.length < 10 || todo.length < 10
  );
  expect(unclear).toEqual([]);
});

/** Commands that do something, by how they are called. */
function leavesOf(command: Command, prefix = ""): Map<string, Command> {
  const found = new Map<string, Command>();
  for (const inside of command.commands) {
    const name = `${prefix}${inside.name()}`;
    // A command with commands may do something itself, like `gateway`.
    if (inside.commands.length === 0 || inside.options.length > 0) {
      found.set(name, inside);
    }
    for (const entry of leavesOf(inside, `${name} `)) found.set(...entry);
  }
  return found;
}

function flagsOf({ options }: Command): string[] {
  return options.filter(({ hidden }) => !hidden).map(({ flags }) => flags);
}

function flagsTold(text: string): string[] {
  return tableRows(text).map(([flag = ""]) => flag)
    .filter((flag) => flag.startsWith("-"));
}

/** Names of the labels of a metric; a histogram's `le` goes without saying. */
function labelsOf(name: string, page: string): string {
  const sample = new RegExp(`^${name}(?:_bucket)?\\{(.*)\\} `, "m").exec(page);
  const names = [...(sample?.[1] ?? "").matchAll(/([a-z]+)="/g)]
    .map(([, label]) => label).filter((label) => label !== "le");
  return names.length === 0 ? "–" : names.join(", ");
}
