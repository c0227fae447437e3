import type { Options } from "./options.ts";

/** Flags of `run` that take a value, by what they are called inside. */
const VALUE_FLAGS: ReadonlyMap<string, string> = new Map([
  ["--config", "config"],
  ["--log-format", "logFormat"],
  ["--identity", "identity"],
  ["--exec-helper", "execHelper"],
  ["--log-file", "logFile"],
  ["--watchdog", "watchdog"],
]);

const HOSTED_FLAG = "--hosted";

/**
 * Reads a command line that runs the agent and is written as a service's is:
 * `run`, then flags and values as words of their own.
 *
 * The whole command line, with its help, costs 3 MB of memory for as long as
 * the process lives, and an agent lives for months on every computer of a
 * site. So who starts it plainly is spared it.
 *
 * @returns Undefined: it is something else, or not sure; commander decides.
 */
export function plainRun(argv: readonly string[]): Options | undefined {
  const [command, ...words] = argv;
  if (command !== "run") return undefined;
  const options: Record<string, unknown> = {};
  for (let index = 0; index < words.length; index++) {
    const flag = words[index] ?? "";
    if (flag === HOSTED_FLAG) {
      options["hosted"] = true;
      continue;
    }
    const name = VALUE_FLAGS.get(flag);
    const value = words[++index];
    if (name === undefined || value === undefined) return undefined;
    if (value.startsWith("-")) return undefined;
    options[name] = value;
  }
  return options;
}
