import { afterEach, beforeEach, expect, test } from "bun:test";
import { FaultRelay } from "../support/fault_relay.ts";
import { freePort } from "../support/free_port.ts";
import { openEcho } from "../support/listener.ts";
import { type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const LIMIT_MS = 30_000;
/** What reaps the silent, as proxies do after 60 s: three heartbeats here. */
const REAPER_MS = 3_000;
const TABLES = "[heartbeat]\ninterval_ms = 1000\ntimeout_ms = 3000";

let site: Site;
let operator: Identity;
let services: Record<string, number>;

beforeEach(async () => {
  site = await Site.create();
  operator = await site.identity("operator", "maria");
  const echo = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  services = { echo: echo.port };
}, LIMIT_MS);

afterEach(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

test(
  "a gateway that is told to stop hands its sessions to the next one",
  async () => {
    const port = await freePort();
    const first = await site.gateway({ port });
    const agent = await site.agent({ id: 7, url: first.url, services });
    using tunnel = await openEcho(site, first.url, operator, "7");
    first.child.kill("SIGTERM");
    expect(await first.child.exited).toBe(0);
    const startMs = performance.now();
    await site.gateway({ port });
    await tunnel.echo();
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(agent.child.output().stderr)
      .toMatch(/tunnel\.detach \S+ code=gatewayDraining /);
    await agent.child.line(/tunnel\.resume /);
  },
  LIMIT_MS,
);

test(
  "a tunnel and a control link that are silent are not reaped, for they beat",
  async () => {
    const gateway = await site.gateway({ tables: TABLES });
    const target = { host: "127.0.0.1", port: gateway.port };
    const weather = { idleMs: REAPER_MS };
    const relay = site.own(await FaultRelay.listen({ target, weather }));
    const url = `wss://localhost:${relay.port}/tunnel`;
    await site.agent({ id: 7, url, services });
    using tunnel = await openEcho(site, url, operator, "7");
    await Bun.sleep(3 * REAPER_MS);
    await tunnel.echo();
    expect(relay.counts.resets).toBe(0);
  },
  LIMIT_MS,
);
