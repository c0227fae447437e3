import { plainText } from "../base/text.ts";
import type { DeviceStore, StoredDevice } from "../policy/device_store.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";

/** How many devices are read from the store at once. */
const PAGE_COUNT = 10_000;

/** An agent as migasfree's manager and relay have it. */
export interface AgentRow {
  readonly id: number;
  readonly name: string;
  readonly services: readonly string[];
  readonly mode: "tcp_tunnel";
  /** Where agents and operators go. */
  readonly relay: string;
  readonly "server_ip": string;
}

/** Returns all devices that are online, by id. */
export async function onlineAgents(
  store: Pick<DeviceStore, "list">,
  online: (ids: readonly number[]) => Promise<ReadonlySet<number>>,
): Promise<StoredDevice[]> {
  const found: StoredDevice[] = [];
  for (let after = 0;;) {
    const page = await store.list({ limit: PAGE_COUNT, after });
    const ids = await online(page.map(({ deviceId }) => deviceId));
    found.push(...page.filter(({ deviceId }) => ids.has(deviceId)));
    after = page.at(-1)?.deviceId ?? after;
    if (page.length < PAGE_COUNT) return found;
  }
}

/** @param relay The URL of this gateway, as its callers know it. */
export function agentRow(device: StoredDevice, relay: string): AgentRow {
  const { deviceId: id, name, services } = device;
  return {
    id,
    // As migasfree's agent writes it, whichever agent it is.
    name: `${plainText(name, DEVICE_NAME_MAX_CHARS)} [CID-${id}]`,
    // Upstream's never says that it runs commands.
    services: services.filter((service) => service !== EXEC_SERVICE),
    mode: "tcp_tunnel",
    relay,
    "server_ip": URL.parse(relay)?.hostname ?? "",
  };
}
