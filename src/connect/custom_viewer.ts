import { Fault } from "../protocol/fault.ts";
import type { SocketAddress } from "../protocol/socket_address.ts";
import type { ProgramChoice, ProgramCommand } from "./choose_program.ts";

const HINT = 'Say where the address goes: --viewer "PROGRAM {host}:{port}"';

/**
 * Returns how to start the viewer that the user wants: a program of `choice`,
 * wherever it is, or a command line with `{host}`, `{port}` and `{user}` in it.
 *
 * Words may be quoted. Nothing is expanded, and no shell sees it.
 *
 * @throws {Fault} `usageInvalid` if it is empty, leaves a quote open, has no
 * `{port}`, or wants a `{user}` and there is none.
 */
export function customViewer(
  commandLine: string,
  choice: ProgramChoice,
  address: SocketAddress,
  user: string | undefined,
): ProgramCommand {
  const [program, ...args] = splitWords(commandLine);
  if (program === undefined) throw invalid("it is empty", HINT);
  const known = choice.commands.find((it) =>
    bareName(it.program) === bareName(program)
  );
  if (known && args.length === 0) return { ...known, program };
  if (!args.some((arg) => arg.includes("{port}"))) {
    throw invalid("it has no {port}", HINT);
  }
  if (user === undefined && args.some((arg) => arg.includes("{user}"))) {
    throw invalid("it wants a {user}", "Give USER@DEVICE");
  }
  const values: Record<string, string> = {
    host: address.host,
    port: String(address.port),
    user: user ?? "",
  };
  // A replacement is not looked at again: a user may be called `{port}`.
  const fill = (arg: string) =>
    arg.replace(/\{(host|port|user)\}/g, (_all, name) => values[name] ?? "");
  return { program, args: args.map(fill) };
}

/** `C:\tools\vncviewer.exe` is a vncviewer. */
function bareName(program: string): string {
  return program.replace(/^.*[\\/]/, "").replace(/\.exe$/i, "").toLowerCase();
}

function splitWords(commandLine: string): string[] {
  const words = commandLine.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+|["']/g) ?? [];
  return words.map((word) => {
    if (/^["']$/.test(word)) throw invalid("a quote is left open", HINT);
    return word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2");
  });
}

function invalid(why: string, hint: string): Fault {
  return new Fault("usageInvalid", `Cannot use that --viewer: ${why}`, {
    hint,
  });
}
