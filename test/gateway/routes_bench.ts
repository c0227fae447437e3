import type { Admitted } from "../../src/gateway/admit.ts";
import { OpenLinks } from "../../src/gateway/open_links.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { Link } from "../../src/transport/link.ts";
import { eventually } from "../support/eventually.ts";
import { settle } from "../support/manual_clock.ts";
import {
  type ClusterBench,
  ClusterSite,
  FakeSession,
} from "./cluster_bench.ts";
import { TunnelEnd } from "./relay_bench.ts";

export const GATEWAY_1 = "00000000-0000-4000-8000-000000000001";
export const GATEWAY_2 = "00000000-0000-4000-8000-000000000002";
export const TUNNEL = "0123456789abcdef0123456789abcdef";
export const MEETING = `migasfree-gateway:meeting:${TUNNEL}`;
export const GONE = new Fault("gatewayUnreachable", "Nobody is there");
export const WISH = Object.freeze({ deviceId: 7, service: "ssh" });

export const CALLER: Admitted = {
  principal: { role: "operator", name: "ana", subject: "CN=ana,OU=ADMINS" },
  address: "192.0.2.7",
  certificate: undefined,
};

/** A link that came to a gateway, and one that it may be carried over. */
export class Arrival {
  readonly end = new TunnelEnd();
  readonly onward = new TunnelEnd();
  readonly caller: Admitted;
  readonly openLinks: OpenLinks;
  readonly signal = new AbortController().signal;

  constructor(caller: Admitted = CALLER, check: () => void = () => undefined) {
    this.caller = caller;
    this.openLinks = new OpenLinks(check);
  }

  get link(): Link {
    return this.end.atGateway;
  }
}

/** Two gateways; the device is at the first, the caller at the second. */
export async function twoGateways(): Promise<{
  readonly site: ClusterSite;
  readonly one: ClusterBench;
  readonly two: ClusterBench;
}> {
  const site = new ClusterSite();
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  one.cluster.attached(new FakeSession(7));
  await settle();
  return { site, one, two };
}

/** Resolves once a link is being carried: signing takes threads. */
export async function forwarding(bench: ClusterBench): Promise<void> {
  const isOpen = () => bench.log.lines.join().includes("forward.open");
  await eventually("a link is carried", isOpen);
}

/**
 * Resolves once gateways were dialed `count` times: a statement is signed in a
 * thread of its own, and nobody knows when that is done.
 */
export async function dialing(bench: ClusterBench, count = 1): Promise<void> {
  await eventually("a dial", () => bench.dialed.length >= count);
  await settle();
}

export function connect(
  bench: ClusterBench,
  arrival: Arrival,
): Promise<boolean> {
  return bench.cluster.routes.connect(arrival, WISH, arrival.signal);
}

export function resume(
  bench: ClusterBench,
  arrival: Arrival,
): Promise<boolean> {
  const { routes } = bench.cluster;
  return routes.resume(arrival, TUNNEL, "token", arrival.signal);
}
