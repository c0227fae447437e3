import { constants } from "node:os";
import type { Log } from "../base/log.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";

export interface StopOptions {
  /** Fault that the signal aborts with; default `agentStopping`. */
  readonly code?: FaultCode;
  /** Who is told to stop, as peers and people hear it; default "The agent". */
  readonly who?: string;
  /** What SIGHUP means. Without it, SIGHUP keeps what it was started with. */
  readonly onHangUp?: () => void;
}

/** Aborts when the process is told to stop; gives the handlers back on dispose. */
export type StopSignal = AbortSignal & Disposable;

const STOP_SIGNALS: readonly NodeJS.Signals[] = process.platform === "win32"
  ? ["SIGINT", "SIGTERM", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];

/** What a shell reports for a process that a signal ended (POSIX XCU §2.8.2). */
const SIGNALLED_EXIT_BASE = 128;

/**
 * Returns a signal that aborts, with a fault, on the first SIGTERM or SIGINT
 * (Windows: SIGBREAK too). The second one ends the process at once with
 * 128 + its number: whoever asks twice does not want to wait.
 */
export function stopOnSignals(
  log?: Log,
  options: StopOptions = {},
): StopSignal {
  const controller = new AbortController();
  const { code = "agentStopping", onHangUp, who = "The agent" } = options;
  const onStop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      log?.warn("process.exit", { signal: name });
      process.exit(SIGNALLED_EXIT_BASE + constants.signals[name]);
    }
    log?.info("process.stop", { signal: name });
    controller.abort(new Fault(code, `${who} was stopped by ${name}`));
  };
  for (const name of STOP_SIGNALS) process.on(name, onStop);
  if (onHangUp) process.on("SIGHUP", onHangUp);
  return Object.assign(controller.signal, {
    [Symbol.dispose]: () => {
      for (const name of STOP_SIGNALS) process.off(name, onStop);
      if (onHangUp) process.off("SIGHUP", onHangUp);
    },
  });
}
