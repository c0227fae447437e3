import { z } from "zod";
import type { Agent } from "../agent/agent.ts";
import type { AgentConfig } from "../agent/config.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { portStates } from "../runtime/listening_ports.ts";
import { COMMIT, VERSION } from "./version.ts";

/** What `status --json` prints; the keys are stable. */
export const agentStatusSchema = z.object({
  version: z.string(),
  commit: z.string(),
  pid: z.int(),
  device_id: z.int(),
  name: z.string(),
  link: z.enum(["connecting", "online", "stopped"]),
  since: z.string(),
  gateway: z.string().nullable(),
  last_fault: z.object({ code: z.string(), message: z.string() }).nullable(),
  services: z.array(z.object({
    name: z.string(),
    address: z.string(),
    state: z.enum(["open", "closed", "unknown"]),
  })),
  tunnels: z.array(z.object({
    id: z.string(),
    service: z.string(),
    operator: z.string(),
    since: z.string(),
  })),
});
export type AgentStatus = z.infer<typeof agentStatusSchema>;

/** Returns the state of a running agent, for the status socket. */
export async function statusOf(
  config: AgentConfig,
  agent: Agent,
): Promise<AgentStatus> {
  const { gatewayUrl, lastFault, link, sinceMs, tunnels } = agent.state;
  const states = await portStates([...config.services.values()]);
  return {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    device_id: config.deviceId,
    name: config.name,
    link,
    since: new Date(sinceMs).toISOString(),
    gateway: gatewayUrl ?? config.gatewayUrl ?? null,
    last_fault: lastFault
      ? { code: lastFault.code, message: lastFault.message }
      : null,
    services: [...config.services].map(([name, address], index) => ({
      name,
      address: printSocketAddress(address),
      state: states[index] ?? "unknown",
    })),
    tunnels: tunnels.map(({ id, service, operator, sinceMs }) => ({
      id,
      service,
      operator,
      since: new Date(sinceMs).toISOString(),
    })),
  };
}
