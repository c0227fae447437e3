/**
 * Shows a tunnel at work on this computer: real programs, real bytes, and how
 * fast it was. What it says is for people who meet migasfree-agent here first.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Site } from "../test/support/site.ts";
import { demoCommands } from "./demo_commands.ts";
import { DemoFailure } from "./demo_failure.ts";
import { type DemoOptions, type DemoWorld, showTunnel } from "./demo_steps.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";

const SIZE_DEFAULT_MIB = 128;
const SIZE_MAX_MIB = 4_096;

const HELP = `Usage: scripts/demo [--stay] [--size MIB] [--ssh2] [--help]

Shows a tunnel at work on this computer alone: makes throwaway certificates,
starts a gateway, an agent and an SSH server on 127.0.0.1, logs in and copies a
file through the tunnel, says how fast that was, and leaves nothing behind.

  --stay      leave it running and print what to try by hand, until Ctrl-C
  --size MIB  size of the file that is copied; default ${SIZE_DEFAULT_MIB}
  --ssh2      use the SSH server of the ssh2 library, as where there is no sshd

Exit status: 0, 1 if something did not work, ${EXIT_USAGE} usage.
`;

const OPTIONS = {
  stay: { type: "boolean", default: false },
  size: { type: "string", default: String(SIZE_DEFAULT_MIB) },
  ssh2: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** What a shell reports for them: 128 and their number (POSIX XCU §2.8.2). */
const STOP_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Settings of the user's own would make this another demonstration. */
const FOREIGN_VARIABLES = /^(?:MIGASFREE_\w+|(?:https?|all|no)_proxy)$/i;

/** How much of what a program said is shown when something fails. */
const SAID_MAX_LINES = 12;

process.exit(await main(process.argv.slice(2)));

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { values, positionals } = flags;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const sizeMib = /^[0-9]+$/.test(values.size) ? Number(values.size) : 0;
  const isSize = sizeMib >= 1 && sizeMib <= SIZE_MAX_MIB;
  if (positionals.length > 0 || !isSize) {
    const what = isSize ? positionals[0] : `--size ${values.size}`;
    process.stderr.write(`Cannot understand ${what}\n\n${HELP}`);
    return EXIT_USAGE;
  }
  for (const name of Object.keys(process.env)) {
    if (FOREIGN_VARIABLES.test(name)) delete process.env[name];
  }
  const { stay, ssh2 } = values;
  const stop = new AbortController();
  for (const [name, status] of Object.entries(STOP_SIGNALS)) {
    process.on(name, () => stop.abort(status));
  }
  return await demonstrate({ sizeMib, ssh2, say }, stay, stop.signal);
}

/** Returns the exit status. @param stop Its reason is a status too. */
async function demonstrate(
  options: DemoOptions,
  stay: boolean,
  stop: AbortSignal,
): Promise<number> {
  let site: Site | undefined;
  let work: Promise<DemoWorld> | undefined;
  try {
    say("This shows migasfree-agent at work on this computer alone.\n");
    site = await Site.create();
    work = showTunnel(site, options, stop);
    const world = await Promise.race([work, rejectionAt(stop)]);
    if (stay) {
      say(await demoCommands(site, world));
      await untilEnded(world, stop);
    }
    return 0;
  } catch (error) {
    if (stop.aborted) return stop.reason;
    await explain(error, site?.dir);
    return 1;
  } finally {
    // What the work waits for ends, so it does too: with the next thing that
    // it starts at the latest.
    await site?.end();
    await Promise.allSettled([work]);
    await site?.[Symbol.asyncDispose]();
    say("\nEverything has ended, and nothing is left behind.");
  }
}

/** Resolves when told to stop. @throws {DemoFailure} If a part ends. */
async function untilEnded(
  { gateway, agent }: DemoWorld,
  stop: AbortSignal,
): Promise<void> {
  const stopped = new Promise<undefined>((resolve) => {
    stop.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const ended = await Promise.race([
    stopped,
    gateway.exited.then((status) => `The gateway has ended with ${status}`),
    agent.exited.then((status) => `The agent has ended with ${status}`),
  ]);
  if (ended !== undefined && !stop.aborted) throw new DemoFailure(ended);
}

function rejectionAt(stop: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onStop = () => reject(new DemoFailure("It was stopped"));
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
  });
}

/** Says what failed, what the program said, and the ends of all the logs. */
async function explain(
  error: unknown,
  dir: string | undefined,
): Promise<void> {
  const { message, stack } = error as Error;
  const isKnown = error instanceof DemoFailure;
  complain(`demo: ${isKnown ? message : stack}`, isKnown ? error.said : "");
  if (dir === undefined) return;
  const names = (await readdir(dir)).filter((name) => name.endsWith(".log"));
  for (const name of names.sort()) {
    complain(`${name} ends with`, await readFile(join(dir, name), "utf8"));
  }
}

function complain(headline: string, said: string): void {
  const lines = said.trimEnd().split("\n").slice(-SAID_MAX_LINES);
  const shown = lines.filter((line) => line !== "")
    .map((line) => `  ${line}\n`);
  const end = shown.length > 0 ? ":" : "";
  process.stderr.write(`${headline}${end}\n${shown.join("")}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
