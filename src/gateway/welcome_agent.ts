import type { Hello, Welcome } from "../protocol/control.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { retryCapMs } from "../transport/backoff.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { AgentSession } from "./agent_session.ts";
import { claimDevice } from "./claim_device.ts";
import { saveServices, type ServeSessionPorts } from "./serve_session.ts";

/**
 * Welcomes `agent` on a control link, which is served after that.
 *
 * @throws {Fault} Why not; the caller closes the link.
 */
export async function welcomeAgent(
  link: Link,
  agent: Admitted,
  ports: ServeSessionPorts,
  signal: AbortSignal,
): Promise<AgentSession> {
  const { clock, heartbeats, heartbeat } = ports;
  return await AgentSession.welcome(link, agent.principal.subject, {
    clock,
    heartbeats,
    heartbeat,
    welcome: (hello) => welcomeTo(hello, agent, ports),
    servicesChanged: (changed) => void saveServices(changed, ports),
    detached: (news) => ports.metrics.agentDetached(news),
  }, signal);
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
