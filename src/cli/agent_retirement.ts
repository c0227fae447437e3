import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";

/** Longest wait for the last tunnel: a forgotten one must not keep us old. */
const RETIRE_TIMEOUT_MS = 24 * 60 * 60_000;

/** What an upgrade sends; the service manager then starts the new program. */
const RETIRE_SIGNAL = "SIGUSR2";

/**
 * An end that waits until nobody is connected any more: whoever upgrades the
 * agent over a tunnel of that agent must not be cut off by it.
 */
export class Retirement implements Disposable {
  readonly #log: Log;
  readonly #controller = new AbortController();
  readonly #retire = () => this.#begin();
  #tunnelCount = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(log: Log) {
    this.#log = log;
    if (process.platform !== "win32") process.on(RETIRE_SIGNAL, this.#retire);
  }

  /** Aborts once the agent was told to retire and has no tunnels. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  show({ tunnels }: { readonly tunnels: readonly unknown[] }): void {
    this.#tunnelCount = tunnels.length;
    if (this.#timer !== undefined && tunnels.length === 0) this.#end();
  }

  [Symbol.dispose](): void {
    process.off(RETIRE_SIGNAL, this.#retire);
    clearTimeout(this.#timer);
  }

  #begin(): void {
    if (this.#timer !== undefined) return;
    this.#log.info("agent.retire", { tunnels: this.#tunnelCount });
    this.#timer = setTimeout(() => this.#end(), RETIRE_TIMEOUT_MS);
    if (this.#tunnelCount === 0) this.#end();
  }

  #end(): void {
    this.#controller.abort(
      new Fault("agentStopping", "The agent has retired, for its successor"),
    );
  }
}
