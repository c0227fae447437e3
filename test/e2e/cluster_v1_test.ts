import { afterAll, beforeAll, expect } from "bun:test";
import { tlsFlags } from "../peers/python_trio.ts";
import {
  type ClusterGateway,
  startClusterGateway,
} from "../support/cluster.ts";
import { openEcho } from "../support/listener.ts";
import { PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { type Identity, Site } from "../support/site.ts";
import {
  dialTest,
  echoOnce,
  serveTcp,
  type TestServer,
} from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";

// Peers of protocol 1 at two gateways, and upstream's manager at their Redis.
const missing = redisMissing() ?? pythonPeersMissing;
const test = testUnless(missing);

const OLD_ID = 21;
const NEW_ID = 7;

let site: Site;
let redis: Redis;
let operator: Identity;
let echo: TestServer;
let one: ClusterGateway;
let two: ClusterGateway;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  redis = site.own(await Redis.start());
  operator = await site.identity("operator", "maria");
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  one = await startClusterGateway(site, redis, "one", "tls");
  two = await startClusterGateway(site, redis, "two", "tls");
  const services = { ssh: echo.port };
  await site.agent({ id: NEW_ID, url: two.url, services });
  const computer = await site.identity("computer", "old_1");
  const flags = ["--id", `${OLD_ID}`, "--service", `ssh=${echo.port}`];
  const all = [...flags, "--relay", one.url, ...tlsFlags(computer)];
  const old = site.own(await PythonPeer.start("agent", all));
  await old.event("registered");
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

test(
  "an operator of ours reaches an old agent at the other gateway",
  async () => {
    using tunnel = await openEcho(
      ...[site, two.url, operator, `${OLD_ID}`, "ssh"] as const,
    );
    await tunnel.echo(1_000_000);
  },
  30_000,
);

for (
  const [what, id, at] of [
    ["a new agent", NEW_ID, () => one],
    ["an old agent", OLD_ID, () => two],
  ] as const
) {
  test(`an old operator reaches ${what} at the other gateway`, async () => {
    const way = ["-a", `${id}`, "--relay", at().url, ...tlsFlags(operator)];
    await using old = await PythonPeer.start("connect", way);
    using client = await dialTest(old.port);
    await echoOnce(client.socket, 1_000_000);
    await at().child.line(/forward\.open .*path=\/tunnel\/connect/);
  }, 30_000);
}

test("upstream's manager lists the agents of all gateways", async () => {
  const manager = ["--redis", redis.url];
  await using upstream = await PythonPeer.start("manager", manager);
  const url = `http://127.0.0.1:${upstream.port}/manager/v1/private/tunnel`;
  const answer = await fetch(`${url}/agents?limit=100`);
  const { agents, total } = await answer.json() as {
    readonly agents: readonly { readonly id: number }[];
    readonly total: number;
  };
  expect(total).toBe(2);
  const ids = agents.map(({ id }) => id).toSorted((a, b) => a - b);
  expect(ids).toEqual([NEW_ID, OLD_ID]);
  for (const agent of agents) {
    expect(agent).toMatchObject({
      services: ["ssh"],
      mode: "tcp_tunnel",
      relay: "wss://localhost/tunnel",
      "server_ip": "127.0.0.1",
    });
  }
}, 30_000);

test(
  "an old agent that moves to the other gateway is found there",
  async () => {
    const computer = await site.identity("computer", "mover_1");
    const start = async (url: string) => {
      const flags = ["--id", "22", "--service", `ssh=${echo.port}`];
      const all = [...flags, "--relay", url, ...tlsFlags(computer)];
      const peer = await PythonPeer.start("agent", all);
      await peer.event("registered");
      return peer;
    };
    await using first = await start(one.url);
    await using _second = await start(two.url);
    await one.child.line(/agent\.offline device=22 .*code=linkReplaced/);
    await first[Symbol.asyncDispose]();
    using tunnel = await openEcho(site, one.url, operator, "22", "ssh");
    await tunnel.echo();
  },
  30_000,
);
