import { selfCommand } from "../runtime/programs.ts";

/** What the program can be called, and is then. */
export type CalledName = "migasfree-agent" | "migasfree-connect";

/** First argument that makes a `migasfree-connect` a `migasfree-agent`. */
export const AS_AGENT_FLAG = "--as-agent";

/**
 * Returns which command line to read: that of migasfree's own operator client
 * if the file, or the link, that was started is called so; else ours.
 *
 * @param argv0 As the operating system passes it: with or without a directory.
 * @param platform As `process.platform` says.
 */
export function calledName(argv0: string, platform: string): CalledName {
  const isWindows = platform === "win32";
  const file = argv0.split(isWindows ? /[\\/]/ : "/").at(-1) ?? "";
  const name = isWindows ? file.toLowerCase().replace(/\.exe$/, "") : file;
  return name === "migasfree-connect" ? name : "migasfree-agent";
}

/** Returns how this program is started again as `migasfree-agent`. */
export function agentCommand(): string[] {
  const [program = "", ...args] = selfCommand();
  // By a link we find the file behind it, but a copy has its name for good.
  return calledName(program, process.platform) === "migasfree-connect"
    ? [program, ...args, AS_AGENT_FLAG]
    : [program, ...args];
}
