import { Fault, FAULTS } from "../protocol/fault.ts";
import { AS_AGENT_FLAG, calledName } from "./called_name.ts";
import { allowJit } from "../runtime/jit_policy.ts";
import type { Options } from "./options.ts";
import {
  type Output,
  processOutput,
  sayFault,
  serviceOutput,
} from "./output.ts";
import { plainRun } from "./plain_run.ts";

/** Runs one command line. Returns the exit status. Never rejects. */
async function main(argv: readonly string[]): Promise<number> {
  const isAgent = argv[0] === AS_AGENT_FLAG;
  const name = isAgent
    ? "migasfree-agent"
    : calledName(process.argv0, process.platform);
  const words = isAgent ? argv.slice(1) : argv;
  const options = name === "migasfree-agent" ? plainRun(words) : undefined;
  const output = { ...options ? serviceOutput() : processOutput, name };
  try {
    return options
      ? await runPlainly(options, output)
      : await runCommandLine(words, output);
  } catch (error) {
    const fault = Fault.from(error);
    sayFault(fault, output);
    return FAULTS[fault.code].exitCode;
  }
}

async function runPlainly(options: Options, output: Output): Promise<number> {
  const { runAgent } = await import("./agent_command.ts");
  return await runAgent(options, output);
}

async function runCommandLine(
  words: readonly string[],
  output: Output,
): Promise<number> {
  allowJit();
  const { runProgram } = await import("./run_program.ts");
  return await runProgram(words, output);
}

process.exit(await main(process.argv.slice(2)));
