import { afterAll, beforeAll, expect } from "bun:test";
import {
  type ClusterGateway,
  startClusterGateway,
} from "../support/cluster.ts";
import { openEcho, startListener } from "../support/listener.ts";
import { auditRecord, operate } from "../support/operator.ts";
import { RawAgent, rawHello } from "../support/raw_agent.ts";
import { RawLink } from "../support/raw_link.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { type Identity, Site } from "../support/site.ts";
import { dialTest, serveTcp, type TestServer } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { sendRandom } from "../support/transfer.ts";

// Gateways that speak TLS themselves: to agents, operators and each other.
const missing = redisMissing();
const test = testUnless(missing);

let site: Site;
let redis: Redis;
let operator: Identity;
let echo: TestServer;
let one: ClusterGateway;
let two: ClusterGateway;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  redis = site.own(await Redis.start("secret"));
  operator = await site.identity("operator", "maria");
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  one = await startClusterGateway(site, redis, "one", "tls");
  two = await startClusterGateway(site, redis, "two", "tls");
  const services = { echo: echo.port };
  await site.agent({ id: 7, url: one.url, services });
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

test(
  "an operator at the other gateway gets through, 64 MiB each way byte for byte",
  async () => {
    const { port } = await startListener(
      site,
      two.url,
      operator,
      "7",
      "echo",
    );
    using client = await dialTest(port);
    const sent = await sendRandom(client.socket, 64);
    expect(await client.ended).toEqual(sent);
    await one.child.line(/tunnel\.close .*code=ok/);
    await two.child.line(/forward\.close .*code=ok/);
    const closed = { event: "tunnel.closed", deviceId: 7 };
    expect(await auditRecord(site, "one", closed)).toMatchObject({
      operator: "maria",
      operatorSubject: "CN=maria,OU=ADMINS,O=localhost",
      address: "127.0.0.1",
      code: "ok",
    });
  },
  60_000,
);

test("devices of any gateway are online at every one", async () => {
  for (const { url } of [one, two]) {
    const { stdout } = await operate(site, url, operator, [
      "devices",
      "--json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject([{ id: 7, online: true }]);
  }
}, 20_000);

test("what the right gateway refuses is refused in its words", async () => {
  const args = ["connect", "7", "nothing", "--stdio"];
  const [here, there] = await Promise.all(
    [one, two].map(({ url }) => operate(site, url, operator, args)),
  );
  expect(here?.sentence).toMatch(/offers no service "nothing"/);
  expect(there).toEqual(here as NonNullable<typeof here>);
}, 20_000);

test(
  "the newest link of a device wins, whichever gateway it comes to",
  async () => {
    const identity = await site.identity("computer", "twice_1");
    const older = await RawAgent.connect({ url: one.url, identity, id: 8 });
    await using newer = await RawAgent.connect({
      url: two.url,
      identity,
      id: 8,
    });
    expect((await older.control.closed).code).toBe(4001);
    await one.child.line(/agent\.offline device=8 .*code=linkReplaced/);
    const args = ["connect", "8", "ssh", "--stdio"];
    const asking = operate(site, one.url, operator, args);
    const { tunnel } = await newer.open();
    newer.control.send({
      type: "refused",
      tunnel,
      code: "serviceRefused",
      message: "Not today",
    });
    expect((await asking).sentence).toBe("Not today");
  },
  30_000,
);

test("a device is bound to its certificate at every gateway", async () => {
  const impostor = await site.identity("computer", "impostor_1");
  await using link = await RawLink.dial({ url: two.url, identity: impostor });
  link.send(rawHello(7));
  expect((await link.closed).code).toBe(4407);
}, 20_000);

test("whoever says that a gateway let it in is not believed", async () => {
  for (const statement of ["", "e30.e30", "x".repeat(4_000)]) {
    await using link = await RawLink.dial({
      url: `${two.url}/connect?device=7&service=echo`,
      identity: operator,
      subprotocol: "migasfree.stream.v2",
      headers: { "X-Migasfree-Forwarded": statement },
    });
    expect((await link.closed).code).toBe(4411);
  }
}, 20_000);

test("upstream's manager finds the gateways and their agents", async () => {
  const agent = JSON.parse(String(await redis.ask("GET", "agent:7")));
  expect(agent).toEqual({
    id: 7,
    name: "aula-7 [CID-7]",
    services: ["echo"],
    mode: "tcp_tunnel",
    relay: "wss://localhost/tunnel",
    server_ip: "127.0.0.1",
  });
  const relays = await redis.textsWhen<{ load: number }>(
    "tunnel:*",
    (texts) => texts.some(({ load }) => load === 1),
  );
  relays.sort((a, b) => b.load - a.load);
  expect(relays).toEqual([one, two].map(({ port }) => ({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    url: "wss://localhost/tunnel",
    internal_url: `wss://127.0.0.1:${port}`,
    load: port === one.port ? 1 : 0,
    max_connections: 50_000,
    hostname: expect.any(String),
  })));
}, 20_000);

test("a device that leaves is taken out, and released for all", async () => {
  const identity = await site.identity("computer", "leaver_1");
  const agent = await RawAgent.connect({ url: two.url, identity, id: 9 });
  await two.child.line(/agent\.online device=9 /);
  await agent[Symbol.asyncDispose]();
  await two.child.line(/agent\.offline device=9 /);
  const listed = await operate(site, one.url, operator, ["devices", "--json"]);
  const left = JSON.parse(listed.stdout).find((row: { id: number }) =>
    row.id === 9
  );
  expect(left).toMatchObject({ online: false });
  const config = `${site.dir}/one.toml`;
  await site.cli(["gateway", "release", "9", "--config", config]);
  const next = await site.identity("computer", "next_1");
  await using other = await RawAgent.connect({
    ...{ url: two.url, identity: next, id: 9 },
  });
  expect(other).toBeDefined();
}, 30_000);

test(
  "a gateway starts without Redis, and joins the others when it is there",
  async () => {
    await using late = await Redis.start();
    await late.kill();
    const gateway = await startClusterGateway(site, late, "late", "tls", {
      waitForRedis: false,
    });
    await gateway.child.line(/redis\.away /);
    const identity = await site.identity("computer", "early_1");
    const hello = { url: gateway.url, identity, id: 11 };
    // Whether another certificate holds the id, nobody can tell.
    await using link = await RawLink.dial(hello);
    link.send(rawHello(11));
    expect((await link.closed).code).toBe(4424);
    await late.restart();
    await gateway.child.line(/redis\.up /);
    await using agent = await RawAgent.connect(hello);
    expect(agent).toBeDefined();
  },
  30_000,
);

test("a gateway that dies is told from a device that is offline", async () => {
  const three = await startClusterGateway(site, redis, "three", "tls");
  const identity = await site.identity("computer", "lost_1");
  await using agent = await RawAgent.connect({
    ...{ url: three.url, identity, id: 10 },
  });
  using tunnel = await openEcho(site, two.url, operator, "7");
  await three.kill();
  await agent.control.closed;
  const args = ["connect", "10", "ssh", "--stdio"];
  const startMs = performance.now();
  const { status, sentence } = await operate(site, two.url, operator, args);
  expect([status, sentence]).toEqual([
    69,
    "Device 10 was at a gateway that does not answer any more",
  ]);
  expect(performance.now() - startMs).toBeLessThan(8_000);
  await tunnel.echo();
}, 30_000);
