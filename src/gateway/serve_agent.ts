import { plainText } from "../base/text.ts";
import type { Hello, Welcome } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { retryCapMs } from "../transport/backoff.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { AgentSession } from "./agent_session.ts";
import type { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Registry } from "./registry.ts";

export interface ServeAgentPorts extends GatewayPorts {
  readonly registry: Registry;
  readonly openLinks: OpenLinks;
  /** Told that a device has come online. */
  readonly attached: () => void;
}

/**
 * Serves one control link of `agent` until it ends.
 *
 * @throws {Fault} If it was never welcomed; the caller closes the link.
 */
export async function serveAgent(
  link: Link,
  agent: Admitted,
  ports: ServeAgentPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, heartbeats, heartbeat, log, registry } = ports;
  const session = await AgentSession.welcome(link, agent.principal.subject, {
    clock,
    heartbeats,
    heartbeat,
    welcome: (hello) => welcomeTo(hello, agent, ports),
    servicesChanged: (changed) => saveServices(changed, ports),
  }, signal);
  using _watched = ports.openLinks.add(agent.certificate, (fault) => {
    ports.audit.write({
      event: "link.revoked",
      subject: agent.principal.subject,
      address: agent.address,
      code: fault.code,
    });
    session.end(fault);
  });
  saveServices(session, ports);
  registry.attach(session);
  ports.attached();
  const device = session.deviceId;
  const name = plainText(session.name, DEVICE_NAME_MAX_CHARS);
  log.info("agent.online", { device, name, address: agent.address });
  const startMs = clock.now();
  const fault = await session.serve(signal);
  // What a newer link of the device has said is not to be overwritten.
  if (registry.detach(session)) saveServices(session, ports);
  ports.metrics.linkClosed("control", fault.code);
  const ms = Math.round(clock.now() - startMs);
  log.info("agent.offline", { device, ms, code: fault.code });
}

/** @throws {Fault} `deviceBound` if another certificate holds the id. */
function welcomeTo(
  hello: Hello,
  agent: Admitted,
  ports: ServeAgentPorts,
): Welcome {
  const { subject } = agent.principal;
  const { id: deviceId, name } = hello.device;
  const nowMs = ports.clock.wallNow();
  const claim = ports.store.claim({ deviceId, name, subject, nowMs });
  if (claim.tag === "taken") {
    throw new Fault(
      "deviceBound",
      `Cannot serve device ${deviceId}: it is bound to another certificate`,
      { hint: `Run \`migasfree-agent gateway release ${deviceId}\` there` },
    );
  }
  if (claim.tag === "first") {
    ports.audit.write({ event: "device.bound", deviceId, subject });
  }
  return {
    type: "welcome",
    version: PROTOCOL_VERSION,
    software: ports.software,
    heartbeat: ports.heartbeat,
    retry_cap_ms: retryCapMs(ports.registry.count + 1),
    tunnels_max: ports.limits.tunnelsPerDeviceMax,
  };
}

function saveServices(session: AgentSession, ports: GatewayPorts): void {
  const nowMs = ports.clock.wallNow();
  ports.store.seen(session.deviceId, nowMs, serviceNames(session));
}

function serviceNames(session: AgentSession): string[] {
  return session.services.map((service) => service.name);
}
