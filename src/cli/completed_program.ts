import type { Command } from "commander";
import { Fault } from "../protocol/fault.ts";
import { createConnectProgram } from "./connect_program.ts";
import { createProgram } from "./program.ts";

const NOWHERE = { answer: () => undefined, say: () => undefined };

const PROGRAMS = {
  "migasfree-agent": createProgram,
  "migasfree-connect": createConnectProgram,
};

/**
 * Returns the command line of one of the names that this program has.
 *
 * @throws {Fault} `usageInvalid` if it has no such name.
 */
export function completedProgram(name: string): Command {
  if (isOurs(name)) return PROGRAMS[name](NOWHERE, () => undefined);
  throw new Fault("usageInvalid", `Cannot complete for program "${name}"`, {
    hint: "Give migasfree-agent or migasfree-connect",
  });
}

function isOurs(name: string): name is keyof typeof PROGRAMS {
  return Object.hasOwn(PROGRAMS, name);
}
