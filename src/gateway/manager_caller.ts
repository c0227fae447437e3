import type { Caller } from "../transport/visitor.ts";
import { claimDevice } from "./claim_device.ts";
import type { Door } from "./door.ts";
import type { ManagerCaller } from "./manager_pages.ts";
import { nobody } from "./nobody.ts";
import type { GatewayPorts } from "./ports.ts";
import { relayUrl } from "./relay_url.ts";
import { v1DeviceName } from "./v1_device_name.ts";

/** Returns what the pages of migasfree's manager need to know of `caller`. */
export function managerCaller(
  caller: Caller,
  path: string,
  door: Door,
  ports: GatewayPorts,
): ManagerCaller {
  const { identity, publicUrl } = ports;
  return {
    admitOperator: () => door.admit(caller, path, "operator"),
    admitAgent: () => door.admit(caller, path, "agent"),
    register: async (id, name) => {
      const admitted = door.admit(caller, path, "agent");
      const agent = admitted.isNobody
        ? nobody(admitted.address, "agent", id)
        : admitted;
      try {
        await claimDevice({ id, name: v1DeviceName(id, name) }, agent, ports);
      } catch (error) {
        throw door.refuse(caller, path, error);
      }
    },
    relay: () => relayUrl(caller, publicUrl, identity.source),
  };
}
