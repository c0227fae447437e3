import type { Service } from "../protocol/control.ts";
import type { AgentPorts, ServiceTarget } from "./ports.ts";

/** How often the local ports are looked at: nobody is disturbed by it. */
const LOOK_EVERY_MS = 10_000;

/** Returns each service of the table with the state of its port. */
export async function lookAtServices(
  services: ReadonlyMap<string, ServiceTarget>,
  ports: Pick<AgentPorts, "portStates">,
): Promise<Service[]> {
  const addresses = [...services.values()].flatMap((target) =>
    "open" in target ? [] : target
  );
  const states = await ports.portStates(addresses);
  let index = 0;
  return [...services].map(([name, target]) => ({
    name,
    // What we serve ourselves is there as long as we are.
    state: "open" in target ? "open" : states[index++] ?? "unknown",
    ...(target.detachMs === undefined ? {} : { detach_ms: target.detachMs }),
  }));
}

/**
 * Calls `changed` whenever a state differs from what was last told.
 *
 * @throws `signal.reason` once aborted, and nothing else.
 */
export async function watchServices(
  told: readonly Service[],
  services: ReadonlyMap<string, ServiceTarget>,
  ports: Pick<AgentPorts, "portStates" | "clock">,
  changed: (services: Service[]) => void,
  signal: AbortSignal,
): Promise<never> {
  let lastTold = JSON.stringify(told);
  for (;;) {
    await ports.clock.sleep(LOOK_EVERY_MS, signal);
    const found = await lookAtServices(services, ports);
    const text = JSON.stringify(found);
    if (text === lastTold) continue;
    lastTold = text;
    changed(found);
  }
}
