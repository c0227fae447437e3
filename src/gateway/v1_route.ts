import type { Visitor } from "../transport/visitor.ts";
import type { Route, RoutePorts } from "./gateway_routes.ts";
import { agentRow, onlineAgents } from "./online_agents.ts";
import { relayUrl } from "./relay_url.ts";
import { serveV1 } from "./serve_v1.ts";
import type { V1StreamPorts } from "./v1_stream.ts";

export interface V1RoutePorts extends RoutePorts, V1StreamPorts {
  /** Returns those of `deviceIds` that are online, here or elsewhere. */
  readonly online: (
    deviceIds: readonly number[],
  ) => Promise<ReadonlySet<number>>;
}

/** Upstream's relay lists no more. */
const LISTED_MAX_COUNT = 1_000;

/** Returns the one kind of link that protocol 1 has. */
export function v1Route(ports: V1RoutePorts): Route {
  const { door, identity, online, publicUrl, store } = ports;
  const listAgents = async (visitor: Visitor) => {
    const relay = relayUrl(visitor, publicUrl, identity.source) ?? "";
    const devices = await onlineAgents(store, online);
    return devices.slice(0, LISTED_MAX_COUNT)
      .map((device) => agentRow(device, relay));
  };
  const isOnline = async (id: number) => (await online([id])).has(id);
  return {
    subprotocol: undefined,
    serve: (link, caller, visitor, signal) =>
      door.auditing(visitor, () =>
        serveV1(link, caller, {
          ...ports,
          listAgents: () => listAgents(visitor),
          isOnline,
          linkRefused: (fault) =>
            void door.refuse(visitor, visitor.path, fault),
        }, signal)),
  };
}
