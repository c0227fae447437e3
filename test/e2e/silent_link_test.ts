import { expect, test } from "bun:test";
import { FaultRelay } from "../support/fault_relay.ts";
import { CALM } from "../support/fault_weather.ts";
import { startListener } from "../support/listener.ts";
import { Site } from "../support/site.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";

/** Heartbeats alone would take 42 s. */
const NOTICED_MAX_MS = 20_000;
const HOLE_MS = 1_000;

test(
  "a link that dies without a word, on either leg, stops a tunnel for seconds",
  async () => {
    await using site = await Site.create();
    const echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
    const gateway = await site.gateway();
    const target = { host: "127.0.0.1", port: gateway.port };
    const forAgent = site.own(await FaultRelay.listen({ target }));
    const forOperator = site.own(await FaultRelay.listen({ target }));
    const url = (relay: FaultRelay) => `wss://localhost:${relay.port}/tunnel`;
    const services = { echo: echo.port };
    await site.agent({ id: 7, url: url(forAgent), services });
    const operator = await site.identity("operator", "maria");
    const { child, port } = await startListener(
      ...[site, url(forOperator), operator, "7", "echo"] as const,
    );
    using client = await dialTest(port);
    await echoOnce(client.socket, 10);
    for (const relay of [forOperator, forAgent]) {
      relay.swallow();
      relay.set({ welcome: "held" });
      const startMs = performance.now();
      const back = echoOnce(client.socket, 10);
      await Bun.sleep(HOLE_MS);
      relay.set(CALM);
      await back;
      expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    }
    const said = child.output().stderr;
    expect(said).toMatch(/The link was silent for \d+ s; coming back/);
    expect(said).toContain("The other end comes back over a new link");
  },
  60_000,
);

test.concurrent(
  "a slow line is no dead one: its tunnel keeps its link",
  async () => {
    await using site = await Site.create();
    const echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
    const gateway = await site.gateway();
    const target = { host: "127.0.0.1", port: gateway.port };
    const relay = site.own(await FaultRelay.listen({ target }));
    await site.agent({
      id: 7,
      url: gateway.url,
      services: { echo: echo.port },
    });
    const operator = await site.identity("operator", "maria");
    const { child, port } = await startListener(
      ...[site, `wss://localhost:${relay.port}/tunnel`] as const,
      ...[operator, "7", "echo"] as const,
    );
    using client = await dialTest(port);
    await echoOnce(client.socket, 10);
    relay.set({ bytesPerSecond: 30_000 });
    await echoOnce(client.socket, 300_000);
    expect(child.output().stderr).not.toContain("coming back");
  },
  60_000,
);
