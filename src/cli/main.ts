import { CommanderError } from "commander";
import { Fault, FAULTS } from "../protocol/fault.ts";
import { processOutput, sayFault } from "./output.ts";
import { createProgram } from "./program.ts";
import { usageFault } from "./usage_error.ts";

/** Runs one command line. Returns the exit status. Never rejects. */
async function main(argv: readonly string[]): Promise<number> {
  let status = 0;
  const program = createProgram(processOutput, (result) => {
    status = result;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      const fault = usageFault(error);
      return fault ? FAULTS[fault.code].exitCode : 0;
    }
    const fault = Fault.from(error);
    sayFault(fault, processOutput);
    return FAULTS[fault.code].exitCode;
  }
}

process.exit(await main(process.argv.slice(2)));
