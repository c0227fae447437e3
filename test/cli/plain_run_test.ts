import { expect, test } from "bun:test";
import { Command } from "commander";
import { addAgentCommands } from "../../src/cli/add_agent_commands.ts";
import { plainRun } from "../../src/cli/plain_run.ts";

/** What the whole command line makes of `argv`. */
async function read(argv: readonly string[]): Promise<unknown> {
  let found: unknown;
  const program = new Command("migasfree-agent");
  const silent = { answer: () => undefined, say: () => undefined };
  addAgentCommands(program, silent, () => (...given) => {
    found = (given.at(-1) as Command).optsWithGlobals();
    return Promise.resolve();
  });
  await program.parseAsync(argv, { from: "user" });
  return found;
}

/** Each flag of `run`, with a value if it takes one. */
function flagsOfRun(): string[][] {
  const program = new Command("migasfree-agent");
  const silent = { answer: () => undefined, say: () => undefined };
  addAgentCommands(program, silent, () => () => Promise.resolve());
  const run = program.commands.find((command) => command.name() === "run");
  return (run?.options ?? []).map((
    { long, required },
  ) => [long ?? "", ...required ? ["some/value"] : []]);
}

test("plainRun() reads each flag of run as the whole command line does", async () => {
  const flags = flagsOfRun();
  expect(flags.length).toBeGreaterThan(6);
  for (const flag of [...flags, flags.flat(), []]) {
    const argv = ["run", ...flag];
    expect<unknown>(plainRun(argv)).toEqual(await read(argv));
  }
});

test("plainRun() takes the last of two, as the whole command line does", async () => {
  const argv = ["run", "--config", "a", "--config", "b"];
  expect(plainRun(argv)).toEqual({ config: "b" });
  expect(await read(argv)).toEqual({ config: "b" });
});

test("plainRun() leaves to the command line what is not plain", () => {
  const others = [
    [],
    ["status"],
    ["--version"],
    ["help", "run"],
    ["run", "--help"],
    ["run", "-h"],
    ["run", "now"],
    ["run", "--config"],
    ["run", "--config=agent.toml"],
    ["run", "--config", "--hosted"],
    ["run", "--confg", "agent.toml"],
    ["run", "--", "agent.toml"],
    ["run", ""],
  ];
  expect(others.map(plainRun)).toEqual(others.map(() => undefined));
});
