import type { AgentConfig } from "../agent/config.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";
import type { CompleteAgentConfig } from "./agent_config.ts";

/** Between two questions: each may go to migasfree's server. */
const ASK_AGAIN_MIN_MS = 60_000;
const ASK_AGAIN_MAX_MS = 3 * 60_000;

const WITHOUT_MIGASFREE = "going on without what migasfree knows";

export interface AwaitConfigPorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** One attempt. @throws {Fault} */
  readonly complete: (signal: AbortSignal) => Promise<CompleteAgentConfig>;
  /** Told why there is no configuration yet, each time. */
  readonly waiting: (fault: Fault) => Promise<void>;
  /** Resolves when somebody wants another attempt now. */
  readonly woken: () => Promise<void>;
}

/**
 * Returns the agent's configuration once migasfree has told what is missing:
 * a computer that nobody has registered yet is no reason to give up. Says why
 * it waits, once for each reason.
 *
 * @throws {Fault} `configInvalid` if migasfree is not installed at all: then
 * waiting would change nothing.
 * @throws `signal.reason` once aborted.
 */
export async function awaitAgentConfig(
  ports: AwaitConfigPorts,
  signal: AbortSignal,
): Promise<AgentConfig> {
  const { log } = ports;
  let reason: string | undefined;
  for (;;) {
    // Before the question: whoever wakes us while it runs is heard, too.
    const woken = ports.woken();
    try {
      const complete = await ports.complete(signal);
      say(complete, log);
      return complete.config;
    } catch (error) {
      signal.throwIfAborted();
      const fault = Fault.from(error);
      // Later it may be gone for as long as its package is being upgraded.
      if (reason === undefined && fault.code === "programMissing") {
        const { hint } = fault;
        throw new Fault("configInvalid", fault.message, { hint, cause: fault });
      }
      const spreadMs = ASK_AGAIN_MAX_MS - ASK_AGAIN_MIN_MS;
      const waitMs = Math.round(ASK_AGAIN_MIN_MS + ports.random() * spreadMs);
      if (fault.message !== reason) {
        reason = fault.message;
        log.warn("config.incomplete", { waitMs }, fault);
      }
      await ports.waiting(fault);
      await sleepOrWake(waitMs, woken, ports.clock, signal);
    }
  }
}

function say({ config, fault, found }: CompleteAgentConfig, log: Log): void {
  if (fault) log.warn("config.warning", { warning: WITHOUT_MIGASFREE }, fault);
  if (!found) return;
  for (const warning of found.conf?.warnings ?? []) {
    log.warn("config.warning", { warning });
  }
  log.info("config.discovered", {
    device: config.deviceId,
    name: config.name,
    where: config.gatewayUrl ?? config.manager ?? "",
    ca: config.caFile ?? "",
  });
}

async function sleepOrWake(
  waitMs: number,
  woken: Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const sleeping = clock.sleep(waitMs, AbortSignal.any([signal, done.signal]));
  try {
    await Promise.race([sleeping, woken]);
  } finally {
    done.abort();
    await Promise.allSettled([sleeping]);
  }
}
