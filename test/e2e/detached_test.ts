import { afterAll, beforeAll, expect, test } from "bun:test";
import { FaultRelay } from "../support/fault_relay.ts";
import { openEcho } from "../support/listener.ts";
import { operate } from "../support/operator.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { runChild } from "../support/child.ts";

const LIMIT_MS = 30_000;
/** What agents count, they tell with their heartbeats. */
const TABLES = "[heartbeat]\ninterval_ms = 1000\ntimeout_ms = 45000";
/** Of the service `brief`: what the agent asks for. */
const BRIEF_MS = 1_500;

let site: Site;
let relay: FaultRelay;
let url: string;
let operator: Identity;
let gatewayUrl: string;
let services: Record<string, number>;
let agentConfig: string;
let metricsUrl: string;

beforeAll(async () => {
  site = await Site.create();
  const gateway = await site.gateway({ tables: TABLES });
  const listens = await gateway.child.line(/metrics\.listen/);
  metricsUrl = `http://${/listen=(\S+)/.exec(listens)?.[1]}/tunnel/metrics`;
  const target = { host: "127.0.0.1", port: gateway.port };
  relay = site.own(await FaultRelay.listen({ target }));
  url = `wss://localhost:${relay.port}/tunnel`;
  operator = await site.identity("operator", "maria");
  const { port } = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  services = { echo: port, brief: port };
  gatewayUrl = gateway.url;
  const top = `detach_ms = { brief = ${BRIEF_MS} }`;
  const options = { id: 7, url: gateway.url, services, top };
  agentConfig = (await site.agent(options)).config;
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

async function status(): Promise<Record<string, unknown>> {
  const argv = [BINARY, "status", "--json", "--config", agentConfig];
  return JSON.parse((await runChild(argv)).stdout);
}

/** From now on nobody gets through, and what is connected breaks off. */
function cut(): void {
  relay.set({ welcome: "refused" });
  relay.reset();
}

test(
  "a person is told when the link is lost and when it is back, and status shows it",
  async () => {
    using tunnel = await openEcho(site, url, operator, "7");
    cut();
    await tunnel.child.line(/; coming back$/);
    // The agent's end dials past the relay, and waits for the other one.
    expect(await status()).toMatchObject({
      tunnels: [{ service: "echo", detached_since: expect.any(String) }],
      detaches: { resumed: 0, expired: 0 },
    });
    relay.set({ welcome: "relayed" });
    await tunnel.child.line(/^The tunnel is back after \d+\.\d s$/);
    await tunnel.echo();
    expect(await status()).toMatchObject({
      tunnels: [{ service: "echo", detached_since: null }],
      detaches: { resumed: 1, replayed_bytes: 0, expired: 0 },
    });
    expect(tunnel.child.output().stderr.trim().split("\n").length).toBe(2);
  },
  LIMIT_MS,
);

test("a person who asked for quiet is told nothing of it", async () => {
  const flags = ["--quiet"];
  using tunnel = await openEcho(site, url, operator, "7", "echo", flags);
  relay.reset();
  await tunnel.echo();
  expect(tunnel.child.output().stderr).toBe("");
}, LIMIT_MS);

test(
  "a tunnel without a link still counts among those that an agent takes",
  async () => {
    await site.agent({
      id: 8,
      url: gatewayUrl,
      services,
      top: "tunnels_max = 1",
    });
    const open = () =>
      operate(site, gatewayUrl, operator, ["connect", "8", "echo", "--stdio"]);
    using tunnel = await openEcho(site, url, operator, "8");
    cut();
    await tunnel.child.line(/; coming back$/);
    expect(await open()).toMatchObject({
      status: 69,
      sentence: expect.stringContaining("tunnels"),
    });
    relay.set({ welcome: "relayed" });
    await tunnel.echo();
  },
  LIMIT_MS,
);

test("the agent's detach time for a service holds at both ends", async () => {
  using tunnel = await openEcho(site, url, operator, "7", "brief");
  const startMs = performance.now();
  cut();
  await tunnel.child.line(/^migasfree-agent: The link broke off/);
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeGreaterThan(BRIEF_MS - 100);
  expect(tookMs).toBeLessThan(4 * BRIEF_MS);
  relay.set({ welcome: "relayed" });
  while ((await status())["tunnels"]?.toString() !== "") await Bun.sleep(100);
  expect(await status()).toMatchObject({ detaches: { expired: 1 } });
  const metrics = async () => await (await fetch(metricsUrl)).text();
  while (!(await metrics()).includes("detaches_expired_total 1\n")) {
    await Bun.sleep(100);
  }
}, LIMIT_MS);
