/** Runs argv as the product does, says how it ended; told apart by tests. */
import { Fault } from "../../src/protocol/fault.ts";
import { runProgram, selfCommand } from "../../src/runtime/programs.ts";

const argv = process.argv.slice(2);
if (argv[0] === "--self") {
  process.stdout.write(`${JSON.stringify(selfCommand())}\n`);
} else {
  try {
    const { exitCode } = await runProgram(argv, new AbortController().signal);
    process.stdout.write(`ended ${exitCode}\n`);
  } catch (error) {
    process.stdout.write(`failed ${Fault.from(error).message}\n`);
  }
}
