import { Command, Option } from "commander";
import { FAULTS } from "../protocol/fault.ts";
import { addAgentCommands } from "./add_agent_commands.ts";
import { addEnrollCommands } from "./add_enroll_commands.ts";
import { addExecCommand } from "./add_exec_command.ts";
import { addOperatorImport } from "./add_operator_import.ts";
import { addServiceCommands } from "./add_service_commands.ts";
import { addHelpExamples } from "./help_examples.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { usageSentence } from "./usage_error.ts";
import { COMMIT, VERSION } from "./version.ts";

/** What a command does; returns its exit status. */
type Action = (
  args: readonly string[],
  options: Options,
) => Promise<number>;

const GATEWAY_HELP = "wss://host/tunnel, or just the host";

/**
 * Builds the command line: every command, flag and help text. What a command
 * does is loaded when it is called, so that an agent carries no gateway.
 *
 * @param exit Told the exit status of the command that ran.
 */
export function createProgram(
  output: Output,
  exit: (status: number) => void,
): Command {
  const program = new Command("migasfree-agent")
    .description("Reach managed computers behind NAT by SSH, VNC and RDP.")
    .version(versionText(), "-V, --version")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError("  hint: See `migasfree-agent COMMAND --help`")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.answer(text.replace(/\n$/, "")),
      writeErr: (text) => output.say(text.replace(/\n$/, "")),
      outputError: (text, write) => write(usageSentence(text)),
    })
    .addHelpText("after", PROGRAM_EXAMPLES);
  const run = (action: Action) => async (...given: unknown[]) => {
    const command = given.at(-1) as Command;
    // Flags of a parent command come too: `devices` and `connect` share some.
    exit(await action(command.args, command.optsWithGlobals()));
  };
  addAgentCommands(program, output, run);
  addServiceCommands(program, output, run);
  addGatewayCommands(program, output, run);
  addOperatorCommands(program, output, run);
  addOperatorImport(program, run, output);
  addPkiCommands(program, output, run);
  addEnrollCommands(program, output, run);
  program.command("version").description("Print version and commit.")
    .option("--json", "as JSON")
    .action(run((_args, { json }) => {
      const text = json
        ? JSON.stringify({ version: VERSION, commit: COMMIT })
        : versionText();
      output.answer(text);
      return Promise.resolve(0);
    }));
  program.command("completion").argument("<shell>", "bash, zsh or fish")
    .argument("[program]", "whose; default migasfree-agent")
    .description("Print a completion script for your shell.")
    .addHelpText("after", COMPLETION_EXAMPLE)
    .action(run(async ([shell = "", whose]) => {
      const { completedProgram } = await import("./completed_program.ts");
      const { completionScript } = await import("./completion.ts");
      const completed = whose === undefined ? program : completedProgram(whose);
      output.answer(completionScript(completed, shell));
      return 0;
    }));
  addHelpExamples(program);
  return program;
}

type Run = (action: Action) => (...given: unknown[]) => Promise<void>;

function addGatewayCommands(program: Command, output: Output, run: Run): void {
  const config = ["--config <file>", "gateway.toml to read"] as const;
  const gateway = program.command("gateway")
    .description("Run a gateway.")
    .option(...config)
    .option("--log-format <format>", "text or json")
    .addHelpText("after", GATEWAY_EXAMPLES)
    .action(run(async (_args, options) => {
      const { runGateway } = await import("./gateway_command.ts");
      return await runGateway(options, output);
    }));
  gateway.command("release").argument("<device>", "7 or CID-7")
    .description("Forget which certificate a device id is bound to.")
    .option(...config)
    .action(run(async ([device = ""], options) => {
      const { runRelease } = await import("./release_command.ts");
      return await runRelease(device, options, output);
    }));
}

function addOperatorCommands(program: Command, output: Output, run: Run): void {
  const load = () => import("./operator_command.ts");
  operatorCommand(program, "connect", "Open a tunnel to a service of a device.")
    .argument("<device>", DEVICE_HELP)
    .argument("<service>", "ssh, vnc, rdp, or what its agent.toml names")
    .option("--stdio", "on standard input and output, for ssh's ProxyCommand")
    .option("--listen <host:port>", "on a local port; 0 finds a free one")
    .addHelpText("after", CONNECT_EXAMPLES)
    .action(
      run(async ([device = "", service = ""], options) =>
        await (await load()).runConnect(device, service, options, output)
      ),
    );
  operatorCommand(program, "ssh", "Log in to a device with your own ssh.")
    .argument("[[user@]device]", DEVICE_HELP)
    .argument("[ssh-args...]", "options and the remote command, for ssh")
    .option("--print-config", "print a stanza for ~/.ssh/config, and end")
    .showHelpAfterError("  hint: Put the options for ssh behind --")
    .addHelpText("after", SSH_EXAMPLES)
    .action(
      run(async ([device, ...sshArgs], options) => {
        const { runSsh } = await import("./ssh_command.ts");
        return await runSsh(device, sshArgs, options, output);
      }),
    );
  const exec = operatorCommand(program, "exec", "Run a command on a device.");
  addExecCommand(exec, run, output);
  for (const name of ["vnc", "rdp"] as const) {
    const title = `Look at a device's screen by ${name.toUpperCase()}.`;
    operatorCommand(program, name, title)
      .argument(name === "rdp" ? "<[user@]device>" : "<device>", DEVICE_HELP)
      .option("--viewer <command>", "start this; {host}, {port}, {user}")
      .action(
        run(async ([device = ""], options) => {
          const { runViewer } = await import("./viewer_command.ts");
          return await runViewer(name, device, options, output);
        }),
      );
  }
  operatorCommand(
    program,
    "devices",
    "List the devices that the gateway knows.",
  )
    .option("--json", "as JSON")
    .action(
      run(async (_args, options) =>
        await (await load()).runDevices(options, output)
      ),
    );
}

function operatorCommand(
  program: Command,
  name: string,
  description: string,
): Command {
  return program.command(name).description(description)
    .option("--gateway <url>", GATEWAY_HELP)
    .option("--ca <file>", "CA certificates of the gateway, PEM")
    .option("--cert <file>", "the operator's certificate, PEM")
    .option("--key <file>", "its key, PEM")
    .option("--no-cert", "show none: for sites that let everybody in")
    .option("--proxy <url>", "HTTP CONNECT proxy; default: HTTPS_PROXY")
    .option("-q, --quiet", "say nothing but errors")
    .addOption(new Option("--debug-insecure-tls").hideHelp());
}

function addPkiCommands(program: Command, output: Output, run: Run): void {
  const load = () => import("./pki_command.ts");
  const pki = program.command("pki")
    .description("Keep a private certificate authority.");
  pki.command("init").argument("<dir>", "directory to make")
    .description("Make a CA, and a gateway's certificate.")
    .requiredOption(
      "--host <name>",
      "name or address of the gateway; may be given several times",
      (name: string, names: string[] = []) => [...names, name],
    )
    .option("--days <number>", "validity of its certificate; default 825")
    .option("--json", "as JSON")
    .action(
      run(async ([dir = ""], options) =>
        await (await load()).pkiInit(dir, options, output)
      ),
    );
  for (const role of ["computer", "operator"] as const) {
    const article = role === "operator" ? "an" : "a";
    pki.command(role).argument("<dir>", "directory of the CA")
      .argument("<name>", `the ${role}'s name`)
      .description(`Make a certificate for ${article} ${role}.`)
      .option("--days <number>", "validity in days; default 825")
      .option("--json", "as JSON")
      .action(
        run(async ([dir = "", name = ""], options) =>
          await (await load()).pkiIssue(role, dir, name, options, output)
        ),
      );
  }
  pki.command("crl").argument("<dir>", "directory of the CA")
    .description("Write the CRL anew, good for another 30 days.")
    .option("--json", "as JSON")
    .action(
      run(async ([dir = ""], options) =>
        await (await load()).pkiCrl(dir, options, output)
      ),
    );
  pki.command("revoke").argument("<dir>", "directory of the CA")
    .argument("<name>", "whose certificate")
    .description("Revoke a certificate: rewrites the CRL.")
    .option("--role <role>", "computer or operator, if both have the name")
    .option("--json", "as JSON")
    .action(
      run(async ([dir = "", name = ""], options) =>
        await (await load()).pkiRevoke(dir, name, options, output)
      ),
    );
}

function versionText(): string {
  return `migasfree-agent ${VERSION} (${COMMIT})`;
}

const DEVICE_HELP = "7, CID-7, or the device's name";

const EXIT_HELP = `
Exit status: 0, ${FAULTS.usageInvalid.exitCode} usage, ${FAULTS.deviceOffline.exitCode} device offline or service refused, ${FAULTS.messageInvalid.exitCode} protocol,
  ${FAULTS.certificateMissing.exitCode} identity refused (either side's certificate), ${FAULTS.configInvalid.exitCode} configuration;
  ssh and exec pass on the remote's.`;

const PROGRAM_EXAMPLES = `
Examples:
  migasfree-agent devices                     which computers are there
  migasfree-agent ssh root@aula-7             log in
  migasfree-agent vnc CID-7                   see its screen
  migasfree-agent exec 7 -- migasfree sync    have it synchronise
  migasfree-agent connect 7 rdp --listen 127.0.0.1:0
  migasfree-agent run --config agent.toml     be the agent of this computer
  migasfree-agent gateway --config gateway.toml
${EXIT_HELP}`;

const GATEWAY_EXAMPLES = `
Reads gateway.toml (default /etc/migasfree-agent/gateway.toml), then the
environment (MIGASFREE_GATEWAY_LISTEN=0.0.0.0:8443 …). At SIGTERM it asks the
agents to come back, gives running tunnels their time, and ends; a second one
ends it at once. SIGHUP reads certificates and CRLs again.`;

const CONNECT_EXAMPLES = `
Examples:
  ssh -o ProxyCommand='migasfree-agent connect %n ssh --stdio' root@aula-7.mf
  migasfree-agent connect 7 rdp --listen 127.0.0.1:3389
With --listen the first line of stdout is "listening HOST:PORT".
${EXIT_HELP}`;

const SSH_EXAMPLES = `
Examples:
  migasfree-agent ssh root@aula-7
  migasfree-agent ssh root@7 -- uptime
  migasfree-agent ssh 7 -- -A -L 8080:localhost:80
  migasfree-agent ssh --print-config >> ~/.ssh/config   then: scp f aula-7.mf:
${EXIT_HELP}`;

const COMPLETION_EXAMPLE = `
Examples:
  source <(migasfree-agent completion bash)
  migasfree-agent completion zsh > "\${fpath[1]}/_migasfree-agent"
  source <(migasfree-agent completion bash migasfree-connect)
  migasfree-agent completion fish > ~/.config/fish/completions/migasfree-agent.fish`;
