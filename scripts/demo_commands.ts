import { chmod } from "node:fs/promises";
import { join, resolve } from "node:path";
import { shellWords } from "../src/connect/shell_words.ts";
import { BINARY, type Site } from "../test/support/site.ts";
import type { DemoWorld } from "./demo_steps.ts";

/** Returns what people can try while the demonstration stays. */
export async function demoCommands(
  site: Site,
  { agentConfig, gateway, agent, operatorFlags, ssh }: DemoWorld,
): Promise<string> {
  const program = await writeProgram(site, operatorFlags);
  const line = (what: string, ...words: string[]) =>
    `  # ${what}\n  ${shellWords(words, process.platform)}`;
  const withSsh = ssh.openSsh === undefined ? [] : [
    line(
      "log in, by name; exit ends it",
      ...[program, "ssh", `${ssh.user}@aula-7`, "--"],
      ...["-F", ssh.openSsh.config],
    ),
    line(
      "copy a file, by the stanza that `ssh --print-config` prints",
      ...["scp", "-F", ssh.openSsh.config, ...ssh.openSsh.scp],
      ...[resolve(import.meta.dir, "demo"), "aula-7.mf:/tmp/"],
    ),
  ];
  const config = ["--config", agentConfig];
  return `
It all keeps running: the gateway (process ${gateway.pid}), the agent (process
${agent.pid}) and the SSH server. To try it by hand, in another terminal:

${
    [
      line("which computers are there", program, "devices"),
      ...withSsh,
      line(
        "a local port that leads to the computer's SSH server",
        ...[program, "connect", "7", "ssh", "--listen", "127.0.0.1:0"],
      ),
      line("how the agent is", program, "status", ...config),
      line("whether the agent has what it needs", program, "doctor", ...config),
      line("what gateway and agent log", "tail", "-f", ...logs(site)),
      line("who reached what", "cat", join(site.dir, "gateway/audit.jsonl")),
    ].join("\n")
  }

The first word is a script: the binary, with the operator's certificate and
the gateway's address as variables, and with a home of its own.

Ctrl-C ends it.`;
}

function logs({ dir }: Site): string[] {
  return [join(dir, "gateway.log"), join(dir, "aula-7.log")];
}

/** The binary as the demonstration's operator. Returns its path. */
async function writeProgram(
  site: Site,
  operatorFlags: readonly string[],
): Promise<string> {
  const variables = [shellWords([`HOME=${site.dir}`], process.platform)];
  for (let index = 0; index < operatorFlags.length; index += 2) {
    const [flag = "", value = ""] = operatorFlags.slice(index);
    const name = `MIGASFREE_CONNECT_${flag.slice(2).toUpperCase()}`;
    variables.push(`${name}=${shellWords([value], process.platform)}`);
  }
  const path = await site.write(
    "migasfree-agent",
    `#!/bin/sh
export ${variables.join(" \\\n  ")}
exec ${shellWords([BINARY], process.platform)} "$@"
`,
  );
  await chmod(path, 0o700);
  return path;
}
