import { type Command, Option } from "commander";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

type Run = (
  action: (args: readonly string[], options: Options) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

/** Adds what concerns the agent of this computer. */
export function addAgentCommands(
  program: Command,
  output: Output,
  run: Run,
): void {
  const config = ["--config <file>", "agent.toml to read"] as const;
  program.command("run").description("Run the agent of this computer.")
    .option(...config)
    .option("--log-format <format>", "text or json")
    .option(
      "--identity <dir>",
      "what hand-identity has put there, as a service",
    )
    .option("--exec-helper <socket>", "where root runs commands for the agent")
    .option("--log-file <file>", "log to a file, turned at 5 MiB")
    .option(
      "--watchdog <seconds>",
      "end, with 75, after so long without progress",
    )
    .addOption(new Option("--hosted").hideHelp())
    .addHelpText("after", RUN_EXAMPLES)
    .action(run(async (_args, options) => {
      const { runAgent } = await import("./agent_command.ts");
      return await runAgent(options, output);
    }));
  program.command("status").description("Show the agent of this computer.")
    .option(...config)
    .option("--json", "as JSON")
    .addHelpText("after", "\nExit status: 0 if it is online, 69 if not.")
    .action(run(async (_args, options) => {
      const { runStatus } = await import("./status_command.ts");
      return await runStatus(options, output);
    }));
  program.command("doctor")
    .description("Check all that the agent needs, and say what to do.")
    .option(...config)
    .option("--json", "as JSON")
    .addHelpText("after", "\nExit status: 0 if nothing failed, else 1.")
    .action(run(async (_args, options) => {
      const { runDoctor } = await import("./doctor_command.ts");
      return await runDoctor(options, output);
    }));
  program.command("hand-identity").argument("<dir>", "directory of root's")
    .description("Give the agent's user root's certificate.")
    .option(...config)
    .action(run(async ([dir = ""], options) => {
      const { runHandIdentity } = await import("./hand_identity_command.ts");
      return await runHandIdentity(dir, options, output);
    }));
  program.command("exec-helper")
    .description("Run what root allows, for the agent's user.")
    .option(...config)
    .action(run(async (_args, options) => {
      const { runExecHelper } = await import("./exec_helper_command.ts");
      return await runExecHelper(options, output);
    }));
}

const RUN_EXAMPLES = `
Reads agent.toml (default /etc/migasfree-agent/agent.toml), then the
environment (MIGASFREE_AGENT_DEVICE_ID=7 …); for what neither says it asks
migasfree, and waits while this computer is not registered. Ends at SIGTERM
within 10 s; SIGHUP makes it dial again at once. Never gives up on its gateway.`;
