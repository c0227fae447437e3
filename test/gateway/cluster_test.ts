import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { ClusterSite, FakeSession } from "./cluster_bench.ts";

const GATEWAY_1 = "00000000-0000-4000-8000-000000000001";
const GATEWAY_2 = "00000000-0000-4000-8000-000000000002";
const INSTANCE = "0123456789abcdef0123456789abcdef";

/** Redis goes, and is missed. */
async function loseStore(site: ClusterSite): Promise<void> {
  site.store.isAway = true;
  await site.clock.advance(5_000);
}

async function textAt(site: ClusterSite, key: string): Promise<unknown> {
  const text = await site.store.get(key);
  return text === undefined ? undefined : JSON.parse(text);
}

test("a gateway tells the others, and upstream's manager, where it is, as long as it lives", async () => {
  await using site = new ClusterSite();
  const { log } = await site.gateway(1);
  const record = `migasfree-gateway:gateway:${GATEWAY_1}`;
  await site.clock.advance(60_000);
  expect(await textAt(site, record)).toEqual({ url: "ws://10.0.0.1:8080" });
  expect(await textAt(site, `tunnel:${GATEWAY_1}`)).toEqual({
    id: GATEWAY_1,
    url: "wss://mf.test/tunnel",
    "internal_url": "ws://10.0.0.1:8080",
    load: 0,
    "max_connections": 500,
    hostname: "gw1",
  });
  expect(log.lines).toEqual([
    `redis.restore {"gatewayId":"${GATEWAY_1}"}`,
    `redis.up {"gatewayId":"${GATEWAY_1}","devices":0}`,
  ]);
});

test("a gateway that stops takes out what it said of itself", async () => {
  await using site = new ClusterSite();
  const { cluster } = await site.gateway(1);
  await cluster.leave();
  expect(site.store.keys())
    .toEqual(["migasfree-gateway:epoch", "migasfree-gateway:secret"]);
});

test("all gateways sign with what the first of them did, and read what they signed before", async () => {
  await using site = new ClusterSite();
  const claims = {
    tunnel: INSTANCE,
    role: "agent",
    subject: "CN=x",
    device: 7,
    service: "ssh",
    operator: "ana",
    "operator_subject": "CN=ana",
  } as const;
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  await settle();
  const [early, late] = [
    await one.tokens.issue(claims),
    await two.tokens.issue(claims),
  ];
  expect(await two.tokens.read(early)).toEqual(claims);
  expect(await one.tokens.read(late)).toEqual(claims);
  expect(two.saved.secret).toEqual(new Uint8Array(32).fill(1));
  expect(one.saved.secret).toBeUndefined();
});

test("a device is online at every gateway, with its link's gateway and its agent's start", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  const session = new FakeSession(7, INSTANCE);
  one.cluster.attached(session);
  await settle();
  expect(await two.cluster.online([6, 7, 8])).toEqual([7]);
  expect(await two.cluster.directory.find(7))
    .toEqual({ gatewayId: GATEWAY_1, instance: INSTANCE });
  expect(await textAt(site, "agent:7")).toEqual({
    id: 7,
    name: "aula-7 [CID-7]",
    services: ["ssh"],
    mode: "tcp_tunnel",
    relay: "wss://mf.test/tunnel",
    "server_ip": "10.0.0.1",
  });
  one.cluster.detached(session);
  await settle();
  expect(await two.cluster.online([7])).toEqual([]);
  expect(await textAt(site, "agent:7")).toBeUndefined();
});

test("the newest link of a device wins at once, and the older one's late end takes nothing out", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  const older = new FakeSession(7);
  const newer = new FakeSession(7);
  one.cluster.attached(older);
  await site.clock.advance(10);
  two.cluster.attached(newer);
  await settle();
  expect([older.ended?.code, newer.ended]).toEqual(["linkReplaced", undefined]);
  one.cluster.detached(older);
  await site.clock.advance(120_000);
  expect((await two.cluster.directory.find(7))?.gatewayId).toBe(GATEWAY_2);
  expect(await textAt(site, "agent:7"))
    .toMatchObject({ "server_ip": "10.0.0.2" });
  expect(newer.ended).toBeUndefined();
});

test("two links of a device at one gateway are that gateway's own affair", async () => {
  await using site = new ClusterSite();
  const { cluster } = await site.gateway(1);
  const older = new FakeSession(7);
  const newer = new FakeSession(7);
  cluster.attached(older);
  await settle();
  cluster.attached(newer);
  await settle();
  cluster.detached(older);
  await settle();
  expect([older.ended, newer.ended]).toEqual([undefined, undefined]);
  expect(await cluster.online([7])).toEqual([7]);
});

test("load is the number of devices, however often one comes", async () => {
  await using site = new ClusterSite();
  const { cluster } = await site.gateway(1);
  for (let count = 0; count < 5; count++) cluster.attached(new FakeSession(7));
  cluster.attached(new FakeSession(8));
  await site.clock.advance(5_000);
  expect(await textAt(site, `tunnel:${GATEWAY_1}`)).toMatchObject({ load: 2 });
});

test("what a device offers now is written again every 30 s, and at once where it was lost", async () => {
  await using site = new ClusterSite();
  const { cluster } = await site.gateway(1);
  const session = new FakeSession(7);
  cluster.attached(session);
  await settle();
  session.services = [
    { name: "vnc", state: "unknown" },
    { name: "rdp", state: "closed" },
    { name: "exec", state: "open" },
  ];
  site.store.forgetAll();
  await site.clock.advance(29_000);
  expect(await textAt(site, "agent:7")).toBeUndefined();
  await site.clock.advance(6_000);
  expect(await textAt(site, "agent:7")).toMatchObject({ services: ["vnc"] });
});

test("a gateway without its store goes on, says so once, and writes all again when it is back", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  const session = new FakeSession(7);
  one.cluster.attached(session);
  await settle();
  await loseStore(site);
  const late = new FakeSession(8);
  one.cluster.attached(late);
  expect(await one.cluster.online([7])).toEqual([]);
  await site.clock.advance(600_000);
  expect([session.ended, late.ended, one.cluster.isUp])
    .toEqual([undefined, undefined, false]);
  site.store.isAway = false;
  site.store.forgetAll();
  one.cluster.connected();
  await settle();
  expect(await one.cluster.online([7, 8])).toEqual([7, 8]);
  expect(await textAt(site, "agent:8")).toMatchObject({ id: 8 });
  expect(one.restored.count).toBe(2);
  expect(one.log.lines.slice(2)).toEqual([
    'redis.away {"devices":1} gatewayRefused: The store is away',
    `redis.restore {"gatewayId":"${GATEWAY_1}"}`,
    `redis.up {"gatewayId":"${GATEWAY_1}","devices":2}`,
  ]);
});

test("a store that has kept its data is not told which devices there are", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  await loseStore(site);
  site.store.isAway = false;
  await site.clock.advance(5_000);
  expect([one.restored.count, two.restored.count]).toEqual([1, 1]);
});

test("a store that loses its data while it answers is told, too, and all is copied each minute", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  site.store.forgetAll();
  await site.clock.advance(5_000);
  expect([one.restored.count, one.copied.count]).toEqual([2, 1]);
  await site.clock.advance(60_000);
  expect([one.restored.count, one.copied.count]).toEqual([2, 2]);
});

test("of two links that came while the store was away, the newer one stays", async () => {
  await using site = new ClusterSite();
  const one = await site.gateway(1);
  const two = await site.gateway(2);
  await loseStore(site);
  const older = new FakeSession(7);
  const newer = new FakeSession(7);
  one.cluster.attached(older);
  await site.clock.advance(1_000);
  two.cluster.attached(newer);
  site.store.isAway = false;
  // The older one's gateway may be the last to write.
  await site.clock.advance(30_000);
  expect([older.ended?.code, newer.ended]).toEqual(["linkReplaced", undefined]);
  expect((await one.cluster.directory.find(7))?.gatewayId).toBe(GATEWAY_2);
});

test("what another gateway says and cannot be read is of no consequence", async () => {
  await using site = new ClusterSite();
  const { cluster } = await site.gateway(1);
  const session = new FakeSession(7);
  cluster.attached(session);
  await settle();
  for (
    const text of [
      ...["", "{", "null", "[]", '{"type":"replaced"}', '{"type":"new"}'],
      '{"type":"replaced","device":7,"link":"another"}',
      '{"type":"replaced","device":9,"link":""}',
    ]
  ) cluster.heard(text);
  expect(session.ended).toBeUndefined();
});

test("a gateway that dies is forgotten with its devices, in a minute", async () => {
  await using site = new ClusterSite();
  const two = await site.gateway(2);
  {
    await using dying = new ClusterSite();
    Object.assign(dying, { clock: site.clock, store: site.store });
    const one = await dying.gateway(1);
    one.cluster.attached(new FakeSession(7));
    await settle();
  }
  expect(await two.cluster.online([7])).toEqual([7]);
  await site.clock.advance(60_000);
  expect(await two.cluster.online([7])).toEqual([]);
});
