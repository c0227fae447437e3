import { accessSync, constants, statSync } from "node:fs";
import { delimiter, extname, isAbsolute, join } from "node:path";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** How long a program that was asked to end may take before it is killed. */
export const PROGRAM_GRACE_MS = 5_000;

/**
 * A terminal sends these to the whole foreground process group: the program
 * has them already, and decides. We only stay alive to report how it ended.
 */
const TERMINAL_SIGNALS: readonly NodeJS.Signals[] = process.platform === "win32"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGQUIT"];

/** These are sent to us alone, so the program hears of them from us. */
const PASSED_SIGNALS: readonly NodeJS.Signals[] = process.platform === "win32"
  ? ["SIGTERM"]
  : ["SIGTERM", "SIGHUP"];

/** In which variables and by which rules a program is found. */
export interface ProgramSearch {
  readonly path: string;
  /** Endings that a program may have; Windows' PATHEXT, else none. */
  readonly endings: readonly string[];
}

/**
 * Returns the path of an installed program, or undefined.
 *
 * Looks only into absolute directories of PATH: an empty or relative one would
 * start what somebody left in the current directory.
 *
 * @param name A name, or an absolute path.
 */
export function findProgram(
  name: string,
  search: ProgramSearch = systemSearch(),
): string | undefined {
  // A path that is no absolute one leads out of the directories of PATH.
  if (!isAbsolute(name) && /[\\/]/.test(name)) return undefined;
  const endings = ["", ...search.endings];
  const dirs = isAbsolute(name)
    ? [""]
    : search.path.split(delimiter).filter((dir) => isAbsolute(dir));
  for (const dir of dirs) {
    for (const ending of endings) {
      const path = join(dir, name + ending);
      if (isProgram(path, search)) return path;
    }
  }
  return undefined;
}

/**
 * Runs a program in the foreground with our own stdin, stdout and stderr, and
 * waits for it. Ctrl-C, Ctrl-\ and a resized window are its business; SIGTERM
 * and SIGHUP are passed on to it.
 *
 * @param argv The program, as for {@linkcode findProgram}, and its arguments.
 * @param signal Ends the program. Must not abort at SIGINT if the program is
 * to outlive Ctrl-C, as ssh does.
 * @returns Its exit status; 128 + n if signal n ended it (POSIX XCU §2.8.2).
 * @throws {Fault} `programMissing` if it cannot be started.
 * @throws `signal.reason` once it aborts and the program has gone.
 */
export async function runProgram(
  argv: readonly string[],
  signal: AbortSignal,
): Promise<{ exitCode: number }> {
  signal.throwIfAborted();
  let child: Bun.Subprocess | undefined;
  let killTimer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    child?.kill("SIGTERM");
    killTimer = setTimeout(() => child?.kill("SIGKILL"), PROGRAM_GRACE_MS);
  };
  const onTerminal = () => undefined;
  const onPassed = (name: NodeJS.Signals) => child?.kill(name);
  // Before the program is there, or an early Ctrl-C would end us and not it.
  for (const name of TERMINAL_SIGNALS) process.on(name, onTerminal);
  for (const name of PASSED_SIGNALS) process.on(name, onPassed);
  signal.addEventListener("abort", onAbort);
  try {
    child = spawnInherited(argv);
    const exitCode = await child.exited;
    signal.throwIfAborted();
    return { exitCode };
  } finally {
    clearTimeout(killTimer);
    signal.removeEventListener("abort", onAbort);
    for (const name of TERMINAL_SIGNALS) process.off(name, onTerminal);
    for (const name of PASSED_SIGNALS) process.off(name, onPassed);
  }
}

/**
 * Returns how to start this very program again, by absolute paths: whether it
 * was found in PATH, by a symbolic link, or runs uncompiled under bun.
 */
export function selfCommand(): string[] {
  // A compiled program's own files lie in a file system inside of it.
  const isCompiled = /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(Bun.main);
  return isCompiled ? [process.execPath] : [process.execPath, Bun.main];
}

/** As {@linkcode findProgram}. @throws {Fault} `programMissing`. */
export function requireProgram(name: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new Fault("programMissing", `Cannot start ${name}: not found`, {
    hint: "Install it, or put its directory into PATH",
  });
}

function spawnInherited(argv: readonly string[]): Bun.Subprocess {
  const [name = "", ...args] = argv;
  const path = requireProgram(name);
  try {
    return Bun.spawn([path, ...args], {
      stdio: ["inherit", "inherit", "inherit"],
    });
  } catch (error) {
    const code = errorCode(error) ?? "no code";
    throw new Fault(
      "programMissing",
      `Cannot start ${path}: the system says ${code}`,
      { hint: "Check that it runs on its own", cause: error },
    );
  }
}

function systemSearch(): ProgramSearch {
  const endings = process.platform === "win32"
    ? process.env["PATHEXT"] ?? ".COM;.EXE;.BAT;.CMD"
    : "";
  return {
    path: process.env["PATH"] ?? "",
    endings: endings.split(";").filter((it) => it !== ""),
  };
}

function isProgram(path: string, { endings }: ProgramSearch): boolean {
  // Where endings decide, a file without one is no program.
  const hasEnding = endings.length === 0 ||
    endings.some((it) => it.toLowerCase() === extname(path).toLowerCase());
  if (!hasEnding) return false;
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // Absent, or not ours to run: either way no program.
  }
}
