import type { Command } from "commander";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

type Action = (args: readonly string[], options: Options) => Promise<number>;

/** Gives `command`, an operator's, what `exec` needs of flags, help and work. */
export function addExecCommand(
  command: Command,
  run: (action: Action) => (...given: unknown[]) => Promise<void>,
  output: Output,
): void {
  command
    .argument("<device>", "7, CID-7, or the device's name")
    .argument("<command...>", "what to run there, word by word, without shell")
    .option(
      "--timeout <seconds>",
      "end it after so long; its agent may earlier",
    )
    .showHelpAfterError("  hint: Put the command behind --")
    .addHelpText("after", EXEC_EXAMPLES)
    .action(
      run(async ([device = "", ...argv], options) => {
        const { runExec } = await import("./exec_command.ts");
        return await runExec(device, argv, options, output);
      }),
    );
}

const EXEC_EXAMPLES = `
Examples:
  migasfree-agent exec 7 -- migasfree sync
  migasfree-agent exec aula-7 --timeout 60 -- migasfree info id
The device runs what [exec] allow of its agent.toml lists; by default
migasfree's synchronisation and its questions. Standard input is not sent.
Ctrl-C ends the command there and waits up to 5 s for it; a second one does not.

Exit status: that of the command, 128 + n if signal n ended it. If it was not
run, or cut short, one line on standard error says why: 77 not allowed,
69 offline, out of time or too many at once, 64 usage, 76 protocol.`;
