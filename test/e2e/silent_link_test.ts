import { expect, test } from "bun:test";
import { FaultRelay } from "../support/fault_relay.ts";
import { CALM } from "../support/fault_weather.ts";
import { type EchoTunnel, openEcho } from "../support/listener.ts";
import { Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

/** Heartbeats alone would take 42 s. */
const NOTICED_MAX_MS = 20_000;
const HOLE_MS = 1_000;
const PATIENCE_MS = 60_000;

/** A tunnel that echoes, and a relay on each of its legs. */
interface RelayedTunnel {
  readonly forAgent: FaultRelay;
  readonly forOperator: FaultRelay;
  readonly tunnel: EchoTunnel;
}

async function openRelayed(site: Site): Promise<RelayedTunnel> {
  const echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  const gateway = await site.gateway();
  const target = { host: "127.0.0.1", port: gateway.port };
  const forAgent = site.own(await FaultRelay.listen({ target }));
  const forOperator = site.own(await FaultRelay.listen({ target }));
  const url = (relay: FaultRelay) => `wss://localhost:${relay.port}/tunnel`;
  await site.agent({
    id: 7,
    url: url(forAgent),
    services: { echo: echo.port },
  });
  const operator = await site.identity("operator", "maria");
  const tunnel = await openEcho(site, url(forOperator), operator, "7");
  return { forAgent, forOperator, tunnel };
}

/** The path is good again after a while, and the tunnel soon after. */
async function expectBack(
  relay: FaultRelay,
  tunnel: EchoTunnel,
): Promise<void> {
  const startMs = performance.now();
  const back = tunnel.echo(10);
  await Bun.sleep(HOLE_MS);
  relay.set(CALM);
  await back;
  expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
}

test.concurrent(
  "a link that dies without a word, on either leg, stops a tunnel for seconds",
  async () => {
    await using site = await Site.create();
    const { forAgent, forOperator, tunnel } = await openRelayed(site);
    using _tunnel = tunnel;
    for (const relay of [forOperator, forAgent]) {
      relay.swallow();
      relay.set({ welcome: "held" });
      await expectBack(relay, tunnel);
    }
    const said = tunnel.child.output().stderr;
    expect(said).toMatch(/The link was silent for \d+ s; coming back/);
    expect(said).toContain("The other end comes back over a new link");
  },
  PATIENCE_MS,
);

test.concurrent(
  "a link that carries one way only, on either leg, is not trusted for what it says",
  async () => {
    await using site = await Site.create();
    const { forAgent, forOperator, tunnel } = await openRelayed(site);
    using _tunnel = tunnel;
    for (const relay of [forOperator, forAgent]) {
      relay.set({ up: "swallowed" });
      await expectBack(relay, tunnel);
    }
  },
  PATIENCE_MS,
);

test.concurrent(
  "a slow line is no dead one: its tunnel keeps its link",
  async () => {
    await using site = await Site.create();
    const { forOperator, tunnel } = await openRelayed(site);
    using _tunnel = tunnel;
    forOperator.set({ bytesPerSecond: 30_000 });
    await tunnel.echo(300_000);
    expect(tunnel.child.output().stderr).not.toContain("coming back");
  },
  PATIENCE_MS,
);
