import { type Command, CommanderError } from "commander";
import { FAULTS } from "../protocol/fault.ts";
import type { Output } from "./output.ts";
import { createProgram } from "./program.ts";
import { usageFault } from "./usage_error.ts";

/**
 * Reads a command line of the program that `output` names, and does what it
 * says. Returns the exit status.
 *
 * @throws {Fault} What the command throws.
 */
export async function runProgram(
  argv: readonly string[],
  output: Output,
): Promise<number> {
  let status = 0;
  const program = await programCalled(output, (result) => {
    status = result;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has said it already.
    const fault = usageFault(error);
    return fault ? FAULTS[fault.code].exitCode : 0;
  }
}

async function programCalled(
  output: Output,
  exit: (status: number) => void,
): Promise<Command> {
  if (output.name !== "migasfree-connect") return createProgram(output, exit);
  const { createConnectProgram } = await import("./connect_program.ts");
  return createConnectProgram(output, exit);
}
