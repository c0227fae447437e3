import type { Command } from "commander";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

type Run = (
  action: (args: readonly string[], options: Options) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

/** Adds what a computer and its site's CA need for a first certificate. */
export function addEnrollCommands(
  program: Command,
  output: Output,
  run: Run,
): void {
  program.command("enroll")
    .description("Get this computer its first certificate, for a token.")
    .option("--gateway <url>", "wss://host/tunnel, or just the host")
    .option("--token <token>", "as `pki token` printed it")
    .option("--token-file <file>", "where it stands; -: standard input")
    .option("--device <id>", "7 or CID-7, if the token does not say it")
    .option("--name <name>", "what operators call it; default: the host name")
    .option("--ca <file>", "who signs the certificate of the proxy in front")
    .option("--public-ca", "a public authority signs it")
    .option("--proxy <url>", "HTTP CONNECT proxy; default: HTTPS_PROXY")
    .option("--replace", "even if there is an identity already")
    .option("--config <file>", "agent.toml to write")
    .option("--json", "as JSON")
    .action(run(async (_args, options) => {
      const { runEnroll } = await import("./enroll_command.ts");
      return await runEnroll(options, output);
    }));
  const pki = program.commands.find((command) => command.name() === "pki");
  if (pki) addPkiCommands(pki, output, run);
}

function addPkiCommands(pki: Command, output: Output, run: Run): void {
  const load = () => import("./pki_enroll_command.ts");
  pki.command("token").argument("<dir>", "directory of the CA")
    .description("Make a token with which one computer can enrol, once.")
    .option("--device <id>", "7 or CID-7: for this one, and no other")
    .option("--ttl <time>", "how long it is good, 1s to 7d; default 1h")
    .option("--gateway <url>", "put into the token, for `enroll`")
    .option("--json", "as JSON")
    .action(
      run(async ([dir = ""], options) =>
        await (await load()).pkiToken(dir, options, output)
      ),
    );
  pki.command("pending").argument("<dir>", "directory of the CA")
    .description("List computers whose certificate expired, and who ask.")
    .option("--json", "as JSON")
    .action(
      run(async ([dir = ""], options) =>
        await (await load()).pkiPending(dir, options, output)
      ),
    );
  pki.command("approve").argument("<dir>", "directory of the CA")
    .argument("<id>", "as `pki pending` prints it")
    .description("Let one of them have its next certificate.")
    .action(
      run(async ([dir = "", id = ""]) =>
        await (await load()).pkiApprove(dir, id, output)
      ),
    );
}
