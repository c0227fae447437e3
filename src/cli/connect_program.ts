import { Command, Option } from "commander";
import { FAULTS } from "../protocol/fault.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { CONNECTION_TYPES, runUpstreamConnect } from "./upstream_connect.ts";
import { usageSentence } from "./usage_error.ts";
import { COMMIT, VERSION } from "./version.ts";

const NAME = "migasfree-connect";

/**
 * Builds the command line of migasfree's own operator client, which this
 * program has when it is called by its name.
 *
 * @param exit Told the exit status.
 */
export function createConnectProgram(
  output: Output,
  exit: (status: number) => void,
): Command {
  const types = new Option("-t, --type <type>", "what to do there; default ssh")
    .choices(CONNECTION_TYPES);
  return new Command(NAME)
    .description(
      "Reach a managed computer by SSH, VNC or RDP, or run a command on it.",
    )
    .argument("[user]", "whom to be there, for ssh and rdp")
    .addOption(types)
    .option("-a, --agent <device>", "7, CID-7 or a name; default: choose one")
    .option(
      "-m, --manager <url>",
      "https://host of the site; default: the one known",
    )
    .option(
      "-p, --port <port>",
      "listen on this port of 127.0.0.1; 0: a free one",
    )
    .option("-c, --command <line>", "run this by ssh, and end")
    .option("-e, --exec <line>", "run this by the agent, without a shell")
    .option("-l, --list", "list the devices, and end")
    .option("--json", "list them as JSON")
    .option("--viewer <command>", "start this; {host}, {port}, {user}")
    .option("--password-file <file>", "has the password of the .p12")
    .option("--gateway <url>", "wss://host/tunnel, where -m is not enough")
    .option("--ca <file>", "CA certificates of the site, PEM")
    .option("--cert <file>", "your certificate, PEM")
    .option("--key <file>", "its key, PEM")
    .option("--no-cert", "show none: for sites that let everybody in")
    .option("--proxy <url>", "HTTP CONNECT proxy; default: HTTPS_PROXY")
    .option("-q, --quiet", "say nothing but errors")
    .addOption(new Option("--debug-insecure-tls").hideHelp())
    .version(`${NAME} ${VERSION} (${COMMIT})`, "-V, --version")
    .showSuggestionAfterError()
    .showHelpAfterError(`  hint: See \`${NAME} --help\``)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.answer(text.replace(/\n$/, "")),
      writeErr: (text) => output.say(text.replace(/\n$/, "")),
      outputError: (text, write) => write(usageSentence(text, NAME)),
    })
    .addHelpText("after", HELP)
    .action(async (user: string | undefined, options: Options) =>
      exit(await runUpstreamConnect(user, options, output))
    );
}

const HELP = `
Examples:
  migasfree-connect root -a CID-7 -m https://mf.example.org
  migasfree-connect root -a 7 -c "uptime; df -h"
  migasfree-connect -t exec -a aula-7 -e "migasfree sync"
  migasfree-connect -t vnc -a 7 -p 5901     a viewer, or yours at port 5901
  migasfree-connect ana -t rdp              shows who is there, and asks

Your certificate is in ~/.migasfree-connect/HOST, as cert.pem, key.pem and
ca.pem. Put the .p12 that your administrator gave you there, or above: it is
imported when it is first needed. The password is asked for once, or comes from
MIGASFREE_CONNECT_PASSWORD or --password-file. Without -m the only HOST counts.

This is migasfree-agent, called by another name: see migasfree-agent --help.

Exit status: 0, ${FAULTS.usageInvalid.exitCode} usage, ${FAULTS.deviceOffline.exitCode} device offline or service refused, ${FAULTS.messageInvalid.exitCode} protocol,
  ${FAULTS.certificateMissing.exitCode} identity refused (either side's certificate), ${FAULTS.configInvalid.exitCode} configuration;
  ssh and exec pass on the remote's.`;
