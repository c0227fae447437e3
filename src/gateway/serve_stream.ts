import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import type { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Rendezvous } from "./rendezvous.ts";

export interface ServeStreamPorts extends GatewayPorts {
  readonly rendezvous: Rendezvous;
  readonly openLinks: OpenLinks;
}

/**
 * Serves an agent's end of a tunnel: hands the link to who has asked for it
 * with `ticket`, here or at another gateway. Returns at once in the first
 * case, else when the link has ended.
 *
 * @throws {Fault} `ticketInvalid`; `peerGone` if the other gateway is.
 */
export async function serveStream(
  link: Link,
  agent: Admitted,
  ticket: string,
  ports: ServeStreamPorts,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, openLinks, rendezvous } = ports;
  const arrived = { link, caller: agent, openLinks };
  if (await cluster?.routes.stream(arrived, ticket, signal)) return;
  const arrive = rendezvous.redeem(ticket, agent.principal.subject);
  arrive({ link, agent });
}
