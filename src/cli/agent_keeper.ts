import { Fault } from "../protocol/fault.ts";
import { hostedManager, watchHost } from "../runtime/hosted_manager.ts";
import { LogFile } from "../runtime/log_file.ts";
import { ownWatchdog } from "../runtime/own_watchdog.ts";
import {
  openServiceManager,
  type ServiceManager,
} from "../runtime/service_manager.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** Below it a computer that swaps would be taken for one that hangs. */
const WATCHDOG_MIN_SECONDS = 5;
const WATCHDOG_MAX_SECONDS = 3_600;

/** Whoever keeps the agent running, and takes what it says. */
export interface Keeper extends Disposable {
  readonly manager: ServiceManager;
  /** Where the log goes to. */
  readonly output: Output;
  /** Aborts when the keeper asks the agent to stop. */
  readonly signal: AbortSignal;
}

/**
 * Opens the way to what has started the agent: systemd by its environment, the
 * service host of Windows by `--hosted`; or nobody, as under launchd, with a
 * watchdog of the agent's own by `--watchdog`.
 *
 * @throws {Fault} `usageInvalid`; `configInvalid` if the log file cannot be
 * written.
 */
export function openKeeper(options: Options, output: Output): Keeper {
  const watchdogMs = watchdogOption(options);
  const stack = new DisposableStack();
  const stop = new AbortController();
  const logPath = textOption(options, "logFile");
  const logFile = logPath === undefined
    ? undefined
    : stack.use(new LogFile(logPath));
  let manager = openServiceManager();
  if (options["hosted"] === true) {
    manager = hostedManager((line) => void process.stdout.write(line));
    const fault = new Fault("agentStopping", "The service was told to stop");
    stack.use(watchHost(() => stop.abort(fault)));
    // Who does not hear any more has closed our input as well.
    process.stdout.on("error", () => stop.abort(fault));
  }
  if (watchdogMs !== undefined) manager = ownWatchdog(watchdogMs, manager);
  return {
    manager,
    output: logFile
      ? { ...output, say: (line) => logFile.write(line) }
      : output,
    signal: stop.signal,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** @throws {Fault} `usageInvalid`. */
function watchdogOption(options: Options): number | undefined {
  const text = textOption(options, "watchdog");
  if (text === undefined) return undefined;
  const seconds = Number(text);
  const isIn = seconds >= WATCHDOG_MIN_SECONDS &&
    seconds <= WATCHDOG_MAX_SECONDS;
  if (isIn) return seconds * 1_000;
  throw new Fault("usageInvalid", `Cannot watch every "${text}" seconds`, {
    hint: `Give --watchdog ${WATCHDOG_MIN_SECONDS} to ${WATCHDOG_MAX_SECONDS}`,
  });
}
