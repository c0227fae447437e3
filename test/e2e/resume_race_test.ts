import { afterAll, beforeAll, expect, test } from "bun:test";
import { FaultRelay } from "../support/fault_relay.ts";
import { type EchoTunnel, openEcho } from "../support/listener.ts";
import { type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const LIMIT_MS = 30_000;
const SILENT_AFTER_MS = 3_000;
const TABLES =
  `[heartbeat]\ninterval_ms = 1000\ntimeout_ms = ${SILENT_AFTER_MS}`;
const RESTART_MAX_MS = 5_000;

let site: Site;
let operator: Identity;
let agentLeg: FaultRelay;
let operatorLeg: FaultRelay;
let agent: Awaited<ReturnType<Site["agent"]>>;
let agentOptions: Parameters<Site["agent"]>[0];
let url: string;

beforeAll(async () => {
  site = await Site.create();
  const gateway = await site.gateway({ tables: TABLES });
  const target = { host: "127.0.0.1", port: gateway.port };
  agentLeg = site.own(await FaultRelay.listen({ target }));
  operatorLeg = site.own(await FaultRelay.listen({ target }));
  url = `wss://localhost:${operatorLeg.port}/tunnel`;
  operator = await site.identity("operator", "maria");
  const { port } = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  agentOptions = {
    id: 7,
    url: `wss://localhost:${agentLeg.port}/tunnel`,
    services: { echo: port },
    identity: await site.identity("computer", "uuid-7_1"),
  };
  agent = await site.agent(agentOptions);
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

/** A tunnel, once the agent's control link is back from what a test did. */
async function openTunnel(): Promise<EchoTunnel> {
  for (let left = 50;; left--) {
    try {
      return await openEcho(site, url, operator, "7");
    } catch (error) {
      if (left === 0) throw error;
      await Bun.sleep(100);
    }
  }
}

test(
  "both ends that dial at once meet, as often as that is",
  async () => {
    using tunnel = await openTunnel();
    for (let losses = 0; losses < 10; losses++) {
      agentLeg.reset();
      operatorLeg.reset();
      await tunnel.echo();
    }
  },
  LIMIT_MS,
);

test(
  "an end that dials twice before the other has dialed once is met by its newest link",
  async () => {
    using tunnel = await openTunnel();
    agentLeg.set({ welcome: "refused" });
    agentLeg.reset();
    // The operator's end waits at the gateway, and its link is lost again.
    await tunnel.child.line(/coming back/);
    const dialed = operatorLeg.counts.connections;
    while (operatorLeg.counts.connections < dialed + 2) {
      operatorLeg.reset();
      await Bun.sleep(20);
    }
    agentLeg.set({ welcome: "relayed" });
    await tunnel.echo();
  },
  LIMIT_MS,
);

for (const leg of ["agent's", "operator's"]) {
  test(
    `an old link of the ${leg} end that is half open does not hold up its new one`,
    async () => {
      using tunnel = await openTunnel();
      const relay = leg === "agent's" ? agentLeg : operatorLeg;
      const startMs = performance.now();
      // What stands is held, and carries nothing; what comes gets through.
      relay.swallow();
      await tunnel.echo();
      expect(performance.now() - startMs).toBeLessThan(SILENT_AFTER_MS + 5_000);
    },
    LIMIT_MS,
  );
}

test(
  "an agent that is started anew takes new sessions within 5 s",
  async () => {
    using old = await openTunnel();
    const startMs = performance.now();
    agent.child.kill("SIGTERM");
    await agent.child.exited;
    agent = await site.agent(agentOptions);
    await old.child.line(/The agent was (stopped|restarted)/);
    using tunnel = await openTunnel();
    await tunnel.echo();
    expect(performance.now() - startMs).toBeLessThan(RESTART_MAX_MS);
  },
  LIMIT_MS,
);
