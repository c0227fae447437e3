import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Child, startChild } from "../support/child.ts";
import { freePort } from "../support/free_port.ts";
import { openEcho } from "../support/listener.ts";
import { lineCount, nthLine } from "../support/nth_line.ts";
import { auditRecords, operate } from "../support/operator.ts";
import { RawGateway } from "../support/raw_gateway.ts";
import { rejection } from "../support/rejection.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { serveTcp, type TestServer } from "../support/tcp_peer.ts";

let site: Site;
let echo: TestServer;
/** Says hello, and nothing more. */
let greeting: TestServer;
let operator: Identity;
let computer: Identity;

beforeAll(async () => {
  site = await Site.create();
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  greeting = site.own(await serveTcp((socket) => void socket.write("hello\n")));
  operator = await site.identity("operator", "maria");
  computer = await site.identity("computer", "uuid-7_7");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

async function startAgent(
  url: string,
  name: string,
  services: Record<string, number> = { echo: echo.port },
): Promise<Child> {
  const options = { id: 7, url, services, name, identity: computer };
  return (await site.agent(options)).child;
}

function waitMsOf(line: string): number {
  return Number(/waitMs=(\d+)/.exec(line)?.[1]);
}

test(
  "the newest link of a device wins, and the older one stays away",
  async () => {
    const { child: gateway, url } = await site.gateway({ name: "newest" });
    await using first = await startAgent(url, "first");
    using tunnel = await openEcho(site, url, operator, "7");
    const services = { echo: echo.port, second: echo.port };
    await using second = await startAgent(url, "second", services);
    const lost = await first.line(/link\.lost .*code=linkReplaced/);
    expect(waitMsOf(lost)).toBeGreaterThanOrEqual(120_000);
    // The older agent's tunnel has links of its own.
    await tunnel.echo();
    using _other = await openEcho(site, url, operator, "7", "second");
    await gateway.line(/agent\.offline .*code=linkReplaced/);
    const listed = await operate(site, url, operator, ["devices", "--json"]);
    const [device, ...others] = JSON.parse(listed.stdout);
    expect(others).toEqual([]);
    expect(device).toMatchObject({ id: 7, name: "second", online: true });
    expect(device.services).toContain("second");

    // A person can have it back at once; then it is the newest.
    first.kill("SIGHUP");
    await second.line(/link\.lost .*code=linkReplaced/);
    expect(lineCount(gateway, /agent\.online .*name=first/)).toBe(2);
  },
  30_000,
);

test(
  "an agent that stops says goodbye to its gateway, and exits with 0",
  async () => {
    await using gateway = await RawGateway.listen(site);
    const { child } = await site.agent({
      id: 7,
      url: gateway.url,
      services: {},
      identity: computer,
      waitFor: /agent\.start/,
    });
    const link = await gateway.welcome();
    await child.line(/link\.open/);
    const startMs = performance.now();
    child.kill("SIGTERM");
    expect(await link.closed).toEqual({
      code: 4000,
      reason: "The agent was stopped by SIGTERM",
    });
    expect(await child.exited).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await child.line(/agent\.stop/);
  },
  30_000,
);

test("an agent that stops ends its tunnels, and says so", async () => {
  const gateway = await site.gateway({ name: "stopping" });
  const { url } = gateway;
  const services = { echo: echo.port, greeting: greeting.port };
  const agent = await startAgent(url, "stopping-agent", services);
  using tunnel = await openEcho(site, url, operator, "7");
  await using stdio = startChild([
    ...[BINARY, "connect", "7", "greeting", "--stdio"],
    ...site.operatorFlags(url, operator),
  ], { env: { HOME: site.dir }, stdin: "pipe" });
  await stdio.line(/^hello$/);
  const startMs = performance.now();
  agent.kill("SIGTERM");
  expect(await rejection(tunnel.client.ended)).toMatchObject({
    code: "ECONNRESET",
  });
  const sentence = "migasfree-agent: The agent was stopped by SIGTERM";
  expect(await tunnel.child.line(/^migasfree-agent: /)).toBe(sentence);
  expect(await stdio.exited).toBe(69);
  expect(stdio.output().stderr).toContain(`${sentence}\n  hint: `);
  expect(await agent.exited).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(10_000);
  await gateway.child.line(/agent\.offline .*code=agentStopping/);
  await nthLine(gateway.child, /tunnel\.close .*code=agentStopping/, 2);
  const closed = (await auditRecords(site, "stopping"))
    .filter(({ event }) => event === "tunnel.closed")
    .map(({ code, service }) => `${service} ${code}`);
  expect(closed.sort()).toEqual([
    "echo agentStopping",
    "greeting agentStopping",
  ]);
}, 30_000);

test(
  "a gateway that stops sends its agents away, and lets tunnels end",
  async () => {
    const port = await freePort();
    const tables = "[drain]\ngrace_ms = 30000";
    const old = await site.gateway({ name: "draining", port, tables });
    const { url } = old;
    const metrics = await old.child.line(/metrics\.listen/);
    const page = `http://${/listen=(\S+)/.exec(metrics)?.[1]}/tunnel/ready`;
    const ready = async () => {
      const answer = await fetch(page);
      return [answer.status, await answer.json()];
    };
    await using agent = await startAgent(url, "drained");
    using tunnel = await openEcho(site, url, operator, "7");
    expect(await ready()).toEqual([
      200,
      { ready: true, agents: 1, draining: false },
    ]);
    old.child.kill("SIGTERM");
    await old.child.line(/gateway\.drain .*agents=1 .*tunnels=1/);
    const lost = await agent.line(/link\.lost .*code=gatewayDraining/);
    expect(waitMsOf(lost)).toBeLessThanOrEqual(4_400);
    await old.child.line(/agent\.offline/);
    expect(await ready()).toEqual([
      503,
      { ready: false, agents: 0, draining: true },
    ]);
    await tunnel.echo();

    // The next one may listen where this one does no longer.
    const next = await site.gateway({ name: "next", port });
    await next.child.line(/agent\.online device=7/);
    using another = await openEcho(site, url, operator, "7");
    await tunnel.echo();

    tunnel.client.socket.end();
    expect(await tunnel.client.ended).toMatchObject({ bytes: 20_001 });
    expect(await old.child.exited).toBe(0);
    await another.echo();
  },
  40_000,
);

test(
  "a tunnel that outlives the grace goes on at the next gateway",
  async () => {
    const port = await freePort();
    const tables = "[drain]\nreconnect_within_ms = 1000";
    const options = { name: "graceless", port, tables };
    const old = await site.gateway(options);
    await using _agent = await startAgent(old.url, "graceless-agent");
    using tunnel = await openEcho(site, old.url, operator, "7");
    old.child.kill("SIGTERM");
    await tunnel.child.line(/The gateway is stopping; coming back/);
    expect(await old.child.exited).toBe(0);
    const next = await site.gateway(options);
    await tunnel.echo();
    await next.child.line(/tunnel\.resume /);
  },
  30_000,
);

test(
  "a hang-up makes an agent dial anew, and a gateway read its files",
  async () => {
    const { child: gateway, url } = await site.gateway({ name: "hung" });
    await using agent = await startAgent(url, "hung-agent");
    using tunnel = await openEcho(site, url, operator, "7");
    agent.kill("SIGHUP");
    const lost = await agent.line(/link\.lost .*code=identityChanged/);
    expect(waitMsOf(lost)).toBe(0);
    await nthLine(gateway, /agent\.online/, 2);
    gateway.kill("SIGHUP");
    await gateway.line(/identity\.reloaded/);
    await tunnel.echo();
  },
  30_000,
);
