import { expect, test } from "bun:test";
import { CommanderError } from "commander";
import { usageFault, usageSentence } from "../../src/cli/usage_error.ts";

test("usageSentence() makes commander's words a sentence of ours", () => {
  const said = "error: unknown option '--jsn'\n(Did you mean --json?)\n";
  expect(usageSentence(said)).toBe(
    "migasfree-agent: Unknown option '--jsn': did you mean --json?\n",
  );
  expect(usageSentence("error: missing required argument 'x'\n")).toBe(
    "migasfree-agent: Missing required argument 'x'\n",
  );
});

test("usageFault() is a fault for a mistake, and none for --help", () => {
  const mistake = new CommanderError(1, "commander.unknown", "error: odd");
  expect(usageFault(mistake)).toMatchObject({
    code: "usageInvalid",
    message: "odd",
  });
  const help = new CommanderError(0, "commander.helpDisplayed", "(help)");
  expect(usageFault(help)).toBeUndefined();
});
