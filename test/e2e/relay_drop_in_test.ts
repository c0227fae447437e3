import { afterAll, beforeAll, expect } from "bun:test";
import { startHaproxy } from "../support/haproxy.ts";
import { freePort } from "../support/free_port.ts";
import { openEcho } from "../support/listener.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import {
  missingProgram,
  notLinux,
  testUnless,
} from "../support/test_unless.ts";

// A gateway that is told nothing but what migasfree-swarm tells its relay.
const missing = redisMissing() ?? missingProgram("haproxy") ?? notLinux();
const test = testUnless(missing);

let site: Site;
let redis: Redis;
let port: number;
let operator: Identity;
let said: () => string;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  redis = site.own(await Redis.start("secret"));
  operator = await site.identity("operator", "maria");
  port = await freePort();
  const gateway = site.start([BINARY, "gateway"], {
    REDIS_URL: redis.url,
    FQDN: "localhost",
    TUNNEL_CONNECTIONS: "500",
    // Ports and folders of this machine are not ours alone.
    MIGASFREE_GATEWAY_LISTEN: `0.0.0.0:${port}`,
    MIGASFREE_GATEWAY_METRICS_LISTEN: "127.0.0.1:0",
    MIGASFREE_GATEWAY_STATE_DIR: `${site.dir}/gateway`,
  });
  await gateway.line(/redis\.up /);
  said = () => gateway.output().stderr;
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

test("a gateway in the place of migasfree's relay says once whom it believes", () => {
  const warnings = said().match(/config\.warning .*/g);
  expect(warnings?.length).toBe(1);
  expect(warnings?.[0]).toContain("10.0.0.0/8");
  expect(said()).not.toContain("secret");
});

test("a gateway in the place of migasfree's relay answers its health check", async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  expect([answer.status, await answer.text()]).toEqual([200, "OK\n"]);
  expect(answer.headers.get("content-type")).toContain("text/plain");
});

test(
  "a gateway in the place of migasfree's relay serves a site's HAProxy, and its manager's list",
  async () => {
    const haproxy = site.own(await startHaproxy(site, port));
    const echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
    const services = { echo: echo.port };
    await site.agent({ id: 7, url: haproxy.url, services });
    using tunnel = await openEcho(site, haproxy.url, operator, "7");
    await tunnel.echo(1_000_000);
    const [agent] = await redis.textsWhen(
      "agent:7",
      (texts) => texts.length === 1,
    );
    expect(agent).toMatchObject({ id: 7, relay: "wss://localhost/tunnel" });
    const [relay] = await redis.textsWhen<{ load: number }>(
      "tunnel:*",
      (texts) => texts[0]?.load === 1,
    );
    expect(relay).toMatchObject({
      url: "wss://localhost/tunnel",
      "max_connections": 500,
      "internal_url": expect.stringMatching(/^ws:\/\/[0-9.]+:[0-9]+$/),
    });
  },
  60_000,
);
