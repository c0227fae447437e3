import { type Command, CommanderError } from "commander";
import { Fault, FAULTS } from "../protocol/fault.ts";
import { AS_AGENT_FLAG, calledName } from "./called_name.ts";
import { type Output, processOutput, sayFault } from "./output.ts";
import { createProgram } from "./program.ts";
import { usageFault } from "./usage_error.ts";

/** Runs one command line. Returns the exit status. Never rejects. */
async function main(argv: readonly string[]): Promise<number> {
  let status = 0;
  const isAgent = argv[0] === AS_AGENT_FLAG;
  const name = isAgent
    ? "migasfree-agent"
    : calledName(process.argv0, process.platform);
  const output = { ...processOutput, name };
  const program = await programCalled(name, output, (result) => {
    status = result;
  });
  try {
    await program.parseAsync(isAgent ? argv.slice(1) : argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      const fault = usageFault(error);
      return fault ? FAULTS[fault.code].exitCode : 0;
    }
    const fault = Fault.from(error);
    sayFault(fault, output);
    return FAULTS[fault.code].exitCode;
  }
}

async function programCalled(
  name: string,
  output: Output,
  exit: (status: number) => void,
): Promise<Command> {
  if (name !== "migasfree-connect") return createProgram(output, exit);
  const { createConnectProgram } = await import("./connect_program.ts");
  return createConnectProgram(output, exit);
}

process.exit(await main(process.argv.slice(2)));
