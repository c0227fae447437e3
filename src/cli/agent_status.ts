import type { Agent } from "../agent/agent.ts";
import type { AgentConfig } from "../agent/config.ts";
import type { Fault } from "../protocol/fault.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { portStates } from "../runtime/listening_ports.ts";
import type { AgentSettingsFile } from "./agent_config.ts";
import type { AgentStatus } from "./agent_status_schema.ts";
import { COMMIT, VERSION } from "./version.ts";

/** Returns the state of a running agent, for the status socket. */
export async function statusOf(
  config: AgentConfig,
  agent: Agent,
): Promise<AgentStatus> {
  const { detaches, gatewayUrl, lastFault, link, protocol, sinceMs, tunnels } =
    agent.state;
  return {
    ...THIS_PROGRAM,
    device_id: config.deviceId,
    name: config.name,
    link,
    since: new Date(sinceMs).toISOString(),
    gateway: gatewayUrl ?? config.gatewayUrl ?? null,
    protocol: protocol ?? null,
    last_fault: faultStatus(lastFault),
    services: await servicesStatus(config.services),
    tunnels: tunnels.map((tunnel) => ({
      id: tunnel.id,
      service: tunnel.service,
      operator: tunnel.operator,
      since: new Date(tunnel.sinceMs).toISOString(),
      detached_since: tunnel.detachedSinceMs === undefined
        ? null
        : new Date(tunnel.detachedSinceMs).toISOString(),
    })),
    detaches: {
      resumed: detaches.resumedCount,
      replayed_bytes: detaches.replayedBytes,
      expired: detaches.expiredCount,
    },
  };
}

/** Returns the state of an agent that has yet to hear from migasfree. */
export async function waitingStatus(
  { file }: AgentSettingsFile,
  fault: Fault,
  sinceMs: number,
): Promise<AgentStatus> {
  return {
    ...THIS_PROGRAM,
    device_id: file.device_id ?? null,
    name: file.name ?? null,
    link: "waiting",
    since: new Date(sinceMs).toISOString(),
    gateway: file.gateway ?? null,
    protocol: null,
    last_fault: faultStatus(fault),
    services: await servicesStatus(new Map(Object.entries(file.services))),
    tunnels: [],
    detaches: { resumed: 0, replayed_bytes: 0, expired: 0 },
  };
}

const THIS_PROGRAM = { version: VERSION, commit: COMMIT, pid: process.pid };

function faultStatus(fault: Fault | undefined): AgentStatus["last_fault"] {
  return fault ? { code: fault.code, message: fault.message } : null;
}

async function servicesStatus(
  services: AgentConfig["services"],
): Promise<AgentStatus["services"]> {
  const states = await portStates([...services.values()]);
  return [...services].map(([name, address], index) => ({
    name,
    address: printSocketAddress(address),
    state: states[index] ?? "unknown",
  }));
}
