import { expect, test } from "bun:test";
import { runChild } from "../support/child.ts";

const SCRIPTS_DIR = new URL("../../scripts/", import.meta.url).pathname;
const NAMES = ["chaos", "fault_relay", "long_copy", "soak", "storm"];

for (const name of NAMES) {
  test(`scripts/${name} says what it does, and refuses what it does not know`, async () => {
    // The script itself would build the binary first, if there is none.
    const run = (...args: string[]) =>
      runChild(["bun", `${SCRIPTS_DIR}${name}.ts`, ...args]);
    const [help, unknown] = await Promise.all([run("--help"), run("--nope")]);
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toStartWith(`Usage: scripts/${name} `);
    expect([unknown.status, unknown.stdout]).toEqual([64, ""]);
    expect(unknown.stderr).toContain(`Usage: scripts/${name} `);
  });
}
