import type { Hello, Welcome } from "../protocol/control.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { retryCapMs } from "../transport/backoff.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { AgentSession } from "./agent_session.ts";
import { claimDevice } from "./claim_device.ts";
import type { ServeSessionPorts } from "./serve_session.ts";
import type { ServiceLists } from "./service_lists.ts";

export interface WelcomePorts extends ServeSessionPorts {
  readonly serviceLists: ServiceLists;
}

/**
 * Welcomes `agent` on a control link, which is served after that.
 *
 * @throws {Fault} Why not; the caller closes the link.
 */
export async function welcomeAgent(
  link: Link,
  agent: Admitted,
  ports: WelcomePorts,
  signal: AbortSignal,
): Promise<AgentSession> {
  const { address, principal: { subject } } = agent;
  return await AgentSession.welcome(
    link,
    { subject, address },
    (hello) => welcomeTo(hello, agent, ports),
    ports,
    signal,
  );
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
