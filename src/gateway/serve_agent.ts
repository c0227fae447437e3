import type { Hello, Welcome } from "../protocol/control.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { retryCapMs } from "../transport/backoff.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { AgentSession } from "./agent_session.ts";
import { claimDevice } from "./claim_device.ts";
import {
  saveServices,
  serveSession,
  type ServeSessionPorts,
} from "./serve_session.ts";

/**
 * Serves one control link of `agent` until it ends.
 *
 * @throws {Fault} If it was never welcomed; the caller closes the link.
 */
export async function serveAgent(
  link: Link,
  agent: Admitted,
  ports: ServeSessionPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, heartbeats, heartbeat } = ports;
  const session = await AgentSession.welcome(link, agent.principal.subject, {
    clock,
    heartbeats,
    heartbeat,
    welcome: (hello) => welcomeTo(hello, agent, ports),
    servicesChanged: (changed) => void saveServices(changed, ports),
  }, signal);
  await serveSession(session, agent, ports, signal);
}

/** @throws {Fault} `deviceBound` if another certificate holds the id. */
async function welcomeTo(
  hello: Hello,
  agent: Admitted,
  ports: ServeSessionPorts,
): Promise<Welcome> {
  await claimDevice(hello.device, agent, ports);
  return {
    type: "welcome",
    version: PROTOCOL_VERSION,
    software: ports.software,
    heartbeat: ports.heartbeat,
    retry_cap_ms: retryCapMs(ports.registry.count + 1),
    tunnels_max: ports.limits.tunnelsPerDeviceMax,
  };
}
