import { Command, Option } from "commander";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { completionScript } from "../../src/cli/completion.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

/** What the stand-in says when it is asked for devices. */
const DEVICES = [
  { id: 7, name: "aula-7", services: ["ssh"], online: true },
  { id: 8, name: "aula_8.lab", services: [], online: false },
  { id: 9, name: "$(touch hacked)", services: [], online: true },
  { id: 10, name: "`touch hacked`; two words", services: [], online: true },
  { id: 11, name: '","name":"forged', services: ["name"], online: true },
  { id: 12, name: "-rf", services: [], online: true },
];

/** A command line with one of everything. */
export function sampleProgram(): Command {
  const program = new Command("mf-sample").version("1")
    .description('It\'s a "sample": $(touch hacked) `touch hacked` \\ done');
  const operator = (command: Command) =>
    command.option("--gateway <url>", "wss://host/tunnel")
      .option("--ca <file>", "it's a file: PEM")
      .option("-q, --quiet", "say nothing");
  operator(
    program.command("ssh").argument("<[user@]device>")
      .argument("[ssh-args...]"),
  ).description("Log in; it's $(touch hacked)");
  operator(program.command("devices")).option("--json");
  operator(
    program.command("connect").argument("<device>")
      .argument("<service>"),
  );
  program.command("run").alias("start").argument("<mode>", "x").addOption(
    new Option("--log-format <format>").choices(["text", "json"]),
  );
  const pki = program.command("pki");
  pki.command("init").argument("<dir>").option("--host <name>");
  pki.command("revoke").argument("<dir>");
  program.command("secret", { hidden: true });
  return program;
}

export interface Sample extends AsyncDisposable {
  /** A directory with nothing but a file, a folder and the program. */
  readonly dir: string;
  readonly env: Record<string, string>;
  /** The completion script. */
  readonly file: string;
  /** With what the program was called, one call a line; unlinks nothing. */
  readonly calls: () => Promise<string[]>;
  /** Makes the program do this when it is asked for devices. */
  readonly devices: (script: string) => Promise<void>;
}

/** Puts a stand-in for the program, and its completion, into a directory. */
export async function installSample(shell: string): Promise<Sample> {
  const made = await makeTemporaryDir("mf-completion");
  const dir = made.path;
  const program = join(dir, "mf-sample");
  const called = join(dir, "called.log");
  const devices = async (script: string) => {
    const log = `printf '%s|' "$@" >> ${called}; echo >> ${called}\n`;
    await writeFile(program, `#!/bin/sh\n${log}${script}\n`);
    await chmod(program, 0o755);
  };
  const json = join(dir, "devices.json");
  await writeFile(json, JSON.stringify(DEVICES));
  await writeFile(called, "");
  await writeFile(join(dir, "certificate.pem"), "");
  await Bun.write(join(dir, "folder", "inside"), "");
  await devices(`[ "$1" != devices ] || cat ${json}`);
  const file = join(dir, `completion.${shell}`);
  await writeFile(file, `${completionScript(sampleProgram(), shell)}\n`);
  return {
    dir,
    file,
    devices,
    env: { PATH: `${dir}:${process.env["PATH"]}`, HOME: dir },
    calls: async () =>
      (await readFile(called, "utf8")).split("\n").filter((it) => it !== ""),
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}
