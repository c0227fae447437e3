import type { Child } from "../test/support/child.ts";
import { FaultRelay } from "../test/support/fault_relay.ts";
import { type Identity, Site } from "../test/support/site.ts";
import { type Sshd, startSshd } from "../test/support/sshd.ts";
import { serveTcp } from "../test/support/tcp_peer.ts";
import { type ChaosGateways, startChaosGateways } from "./chaos_gateways.ts";

/** Tunnels that a drain cuts come back to the next process. */
const DRAIN = "[drain]\ngrace_ms = 0";

/** What everything else in a chaos happens to. */
export interface ChaosWorld extends AsyncDisposable {
  readonly site: Site;
  readonly sshd: Sshd;
  readonly operator: Identity;
  /** Where operators find the gateways: behind the second relay. */
  readonly url: string;
  /** Between the agent and the gateways, and between operators and them. */
  readonly relays: readonly FaultRelay[];
  readonly agent: Child;
  readonly gateways: ChaosGateways["all"];
  readonly redis: ChaosGateways["redis"];
  readonly proxy: ChaosGateways["proxy"];
}

/**
 * Starts gateways, an agent and its services: a real sshd, a server that
 * echoes, and whatever listens at `vncPort`.
 */
export async function startChaosWorld(
  vncPort: number,
  gatewayCount = 1,
): Promise<ChaosWorld> {
  const site = await Site.create();
  try {
    const sshd = site.own(await startSshd());
    const echoing = site.own(
      await serveTcp((socket) => void socket.pipe(socket)),
    );
    const gateways = await startChaosGateways(site, gatewayCount, DRAIN);
    const target = { host: "127.0.0.1", port: gateways.port };
    const relays = [
      site.own(await FaultRelay.listen({ target })),
      site.own(await FaultRelay.listen({ target })),
    ] as const;
    const [forAgent, forOperators] = relays
      .map((relay) => `wss://localhost:${relay.port}/tunnel`) as [
        string,
        string,
      ];
    const services = { ssh: sshd.port, echo: echoing.port, vnc: vncPort };
    const agent = await site.agent({ id: 7, url: forAgent, services });
    return {
      site,
      sshd,
      operator: await site.identity("operator", "maria"),
      url: forOperators,
      relays,
      agent: agent.child,
      gateways: gateways.all,
      redis: gateways.redis,
      proxy: gateways.proxy,
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    };
  } catch (error) {
    await site[Symbol.asyncDispose]();
    throw error;
  }
}
