import { expect, test } from "bun:test";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import { checkCommand } from "../../src/agent/exec.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { sectionOf } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const operations = await Bun.file(new URL("docs/OPERATIONS.md", ROOT)).text();

/** What an agent answers to each command if its file is this one line. */
function outcomes(line: string, commands: readonly string[][]): string[] {
  const { exec } = agentConfigSchema.parse(Bun.TOML.parse(line));
  return commands.map((argv) => {
    try {
      checkCommand(argv, exec.allow);
      return "allowed";
    } catch (error) {
      return Fault.from(error).code;
    }
  });
}

test("OPERATIONS.md has the line that allows any migasfree command, and the one that allows none", () => {
  const { text } = sectionOf(operations, "`exec`");
  const [broad = "", none = "", ...more] = [
    ...text.matchAll(/`(exec\.allow = .*?)`/g),
  ].map(([, line = ""]) => line);
  expect(more).toEqual([]);
  const commands = [
    ["migasfree", "sync"],
    ["migasfree", "install", "gimp"],
    ["migasfree"],
    ["sh", "-c", "id"],
    ["/tmp/migasfree", "sync"],
  ];
  expect(outcomes("", commands)).toEqual([
    ...["allowed", "execRefused", "execRefused", "execRefused", "execRefused"],
  ]);
  expect(outcomes(broad, commands)).toEqual([
    ...["allowed", "allowed", "allowed", "execRefused", "execRefused"],
  ]);
  expect(outcomes(none, commands)).toEqual(Array(5).fill("execRefused"));
});
