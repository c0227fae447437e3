import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import type { CommandResult } from "./run_command.ts";

/** The agent as its computer's service manager knows it. */
export interface ServiceState {
  readonly system: "systemd" | "launchd" | "windows";
  readonly isInstalled: boolean;
  /** Whether it starts with the computer. */
  readonly isEnabled: boolean;
  readonly isRunning: boolean;
  /** Undefined if it does not run, or nobody says. */
  readonly pid: number | undefined;
  /** How the service manager calls its state; plain text. */
  readonly detail: string;
}

/** What was done, as sentences for whoever asked for it. */
export type ServiceReport = readonly string[];

/**
 * The agent's entry with one kind of service manager. Each call may be made
 * again: what is there already is put right, what is gone is left alone.
 */
export interface ServiceControl {
  /** Installs, enables and starts. @throws {Fault} */
  install(signal: AbortSignal): Promise<ServiceReport>;
  /**
   * Stops, and removes every file that `install` has written.
   *
   * @param purges Whether configuration, state and the user go as well.
   * @throws {Fault}
   */
  uninstall(purges: boolean, signal: AbortSignal): Promise<ServiceReport>;
  /** @throws {Fault} `programMissing` if it is not installed. */
  start(signal: AbortSignal): Promise<ServiceReport>;
  /** Until the next boot. @throws {Fault} `programMissing` as for `start`. */
  stop(signal: AbortSignal): Promise<ServiceReport>;
  /** @throws {Fault} If the service manager does not say. */
  state(signal: AbortSignal): Promise<ServiceState>;
}

/** What of the machine a {@linkcode ServiceControl} touches. */
export interface ServiceMachine {
  /** This program, as an absolute path. */
  readonly programPath: string;
  /** Whether this user may change services; undefined: only trying tells. */
  readonly isPrivileged: boolean | undefined;
  /** Runs a program to its end. @throws {Fault} As `runCommand` does. */
  run(argv: readonly string[], signal: AbortSignal): Promise<CommandResult>;
  /** Resolves after so many milliseconds. @throws `signal.reason` */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  readonly files: ServiceFiles;
}

/** Files, by absolute paths. All of them throw `configInvalid` faults. */
export interface ServiceFiles {
  exists(path: string): Promise<boolean>;
  /** Writes a file if it says something else. Returns whether it did. */
  write(path: string, text: string, mode: number): Promise<boolean>;
  /** Makes a directory, and those above it, unless it is there. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Removes a file, or a whole directory. Returns whether it was there. */
  remove(path: string): Promise<boolean>;
  /** @throws {Fault} `configInvalid` if others than root may change `path`. */
  requireOwn(path: string): void;
}

/** What a service manager said is shown, up to so many characters. */
const SAID_MAX_CHARS = 300;

/**
 * Runs a program that must end with 0.
 *
 * @param action What it is for, as in "Cannot …".
 * @throws {Fault} `configInvalid` with what it said.
 */
export async function runStep(
  machine: ServiceMachine,
  action: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const result = await machine.run(argv, signal);
  if (result.exitCode === 0) return result.stdout;
  throw stepFault(action, argv, result);
}

/**
 * Lets the agent's group, and nobody else, read root's configuration, if there
 * is one: it may hold a password.
 *
 * @throws {Fault} `configInvalid`.
 */
export async function shareConfig(
  machine: ServiceMachine,
  path: string,
  group: string,
  signal: AbortSignal,
): Promise<void> {
  if (!await machine.files.exists(path)) return;
  const action = "share the configuration";
  await runStep(machine, action, ["chown", `root:${group}`, path], signal);
  await runStep(machine, action, ["chmod", "0640", path], signal);
}

/** Makes a fault of a program that did not end with 0. */
export function stepFault(
  action: string,
  argv: readonly string[],
  { exitCode, stderr, stdout }: CommandResult,
): Fault {
  const said = (stderr.trim() || stdout.trim()).replace(/\s+/g, " ");
  const fact = said === "" ? `it ended with ${exitCode}` : said;
  return new Fault(
    "configInvalid",
    `Cannot ${action}: ${argv[0]}: ${plainText(fact, SAID_MAX_CHARS)}`,
    { hint: `Run \`${argv.join(" ")}\` yourself, and look at what it says` },
  );
}

/** @throws {Fault} `configInvalid` unless this user may change services. */
export function requirePrivilege(
  machine: ServiceMachine,
  action: string,
): void {
  if (machine.isPrivileged !== false) return;
  throw new Fault("configInvalid", `Cannot ${action}: this user is not root`, {
    hint: "Run it with sudo",
  });
}

/** For what needs a service, and there is none. */
export function notInstalled(action: string): Fault {
  return new Fault(
    "programMissing",
    `Cannot ${action} the service: it is not installed`,
    { hint: "Run `migasfree-agent service install` first" },
  );
}
