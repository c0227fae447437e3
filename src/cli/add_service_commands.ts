import type { Command } from "commander";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import type { ServiceVerb } from "./service_command.ts";

type Run = (
  action: (args: readonly string[], options: Options) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

const HELP: Readonly<Record<ServiceVerb, string>> = {
  install: "Install it, have it start with the computer, and start it.",
  uninstall: "Stop it, and remove what install has written.",
  status: "Show whether it is installed, enabled and running.",
  start: "Start it.",
  stop: "Stop it, until the next boot.",
};

/** Adds what makes the agent a service of this computer. */
export function addServiceCommands(
  program: Command,
  output: Output,
  run: Run,
): void {
  const service = program.command("service")
    .description("Have this computer's service manager run the agent.")
    .addHelpText("after", SERVICE_EXAMPLES);
  for (const [name, help] of Object.entries(HELP)) {
    const verb = name as ServiceVerb;
    const command = service.command(verb).description(help);
    if (verb === "status") command.option("--json", "as JSON");
    if (verb === "uninstall") {
      command.option("--purge", "and configuration, state and user");
    }
    command.action(run(async (_args, options) => {
      const { runService } = await import("./service_command.ts");
      return await runService(verb, options, output);
    }));
  }
}

const SERVICE_EXAMPLES = `
Examples:
  sudo migasfree-agent service install
  migasfree-agent service status --json
  sudo migasfree-agent service uninstall --purge
systemd on Linux, launchd on macOS, the service manager on Windows. Each may be
said again. Exit status of status: 0 if it runs, 69 if not.`;
