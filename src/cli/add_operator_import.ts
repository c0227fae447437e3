import type { Command } from "commander";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

type Action = (args: readonly string[], options: Options) => Promise<number>;

/** Gives `program` the command that takes over an administrator's `.p12`. */
export function addOperatorImport(
  program: Command,
  run: (action: Action) => (...given: unknown[]) => Promise<void>,
  output: Output,
): void {
  const operator = program.command("operator")
    .description("Keep your own certificates.")
    .addHelpText("after", EXAMPLES);
  operator.command("import").argument("<file>", "the .p12 or .pfx")
    .description("Import a PKCS#12 file: certificate, key and CA.")
    .option("--gateway <url>", "for this one; default: the O of its name")
    .option("--password-file <file>", "has the password in its first line")
    .option("--replace", "give up what is there already")
    .option("--json", "as JSON")
    .addHelpText("after", IMPORT_EXAMPLES)
    .action(run(async ([file = ""], options) => {
      const { runOperatorImport } = await import("./operator_import.ts");
      return await runOperatorImport(file, options, output);
    }));
}

const EXAMPLES = `
Examples:
  migasfree-agent operator import ana.p12`;

const IMPORT_EXAMPLES = `
Examples:
  migasfree-agent operator import ana.p12
  migasfree-agent operator import ana.p12 --gateway wss://gw.example.org/tunnel
  migasfree-agent operator import ana.p12 --password-file secret --replace

Writes cert.pem, key.pem (only you may read it) and ca.pem to
~/.migasfree-connect/HOST, where all operator commands find them. Asks for the
password once, or takes MIGASFREE_CONNECT_PASSWORD. OpenSSL's current and
legacy files are read; nothing else is needed. Prints the folder.`;
