import { expect, test } from "bun:test";
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";

const program = createProgram(
  { answer: () => undefined, say: () => undefined },
  () => undefined,
);

/** Every command below `command`, by its words. */
function commandsBelow(
  command: Command,
  path: readonly string[] = [],
): [string, Command][] {
  return command.commands.flatMap((child) => {
    const words = [...path, child.name()];
    return [
      [words.join(" "), child] as [string, Command],
      ...commandsBelow(child, words),
    ];
  });
}

const COMMANDS = commandsBelow(program);

/** What `--help` prints, with what stands below it. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  return text;
}

for (const [path, command] of COMMANDS) {
  test(`the help of \`${path}\` has examples, of flags that exist`, () => {
    const [, examples = ""] = helpOf(command).split("\nExamples:\n");
    const [lines = ""] = examples.split("\n\n");
    const calls = [...lines.matchAll(/migasfree-agent .*$/gm)];
    expect(calls).not.toBeEmpty();
    for (const [call] of calls) {
      const [ours = ""] = call.split(/ -- | \| | {3,}/);
      const found = COMMANDS.findLast(([name]) =>
        `${ours} `.startsWith(`migasfree-agent ${name} `)
      );
      expect(found?.[0], call).toStartWith(path);
      const known = (found?.[1].options ?? []).map(({ long }) => long);
      const flags = ours.match(/--[a-z-]+/g) ?? [];
      expect(flags.filter((flag) => !known.includes(flag)), call).toEqual([]);
    }
  });
}
