import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { until } from "./resume_bench.ts";
import { ANA, V1GatewayBench, type Who } from "./v1_gateway_bench.ts";

const SEVEN: Who = { unit: "COMPUTERS", name: "uuid-7_1" };

test("an agent that registers is online with its services, and its name without the id", async () => {
  const bench = await V1GatewayBench.create();
  for (const path of ["/tunnel", "/tunnel/", "/"]) {
    const agent = bench.dial(SEVEN, { path });
    agent.register(7, ["ssh", "vnc", "ssh", "NO", "exec"]);
    await agent.heard("registration_ok");
    expect(agent.subprotocol).toBeNull();
  }
  expect(bench.store.find(7)).toMatchObject({
    name: "aula-7",
    services: ["ssh", "vnc", "exec"],
  });
  expect(bench.gateway.registry.count).toBe(1);
  expect(bench.gateway.registry.v1Count).toBe(1);
});

test("an agent that registers again changes its services, once a second, and counts once", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7, []);
  for (let at = 0; at < 100; at++) agent.register(7, ["ssh"]);
  await settle();
  expect(bench.store.find(7)?.services).toEqual(["exec"]);
  await bench.clock.advance(1_000);
  for (let at = 0; at < 100; at++) agent.register(7, ["ssh"]);
  await agent.heard("registration_ok", 2);
  await settle();
  expect(bench.store.find(7)?.services).toEqual(["ssh", "exec"]);
  expect(agent.all("registration_ok").length).toBe(2);
  expect(bench.gateway.registry.count).toBe(1);
});

test("the newest link of a device wins, and the end of the old one changes nothing", async () => {
  const bench = await V1GatewayBench.create();
  const older = await bench.agent(7);
  const operator = await bench.operator();
  operator.start(7, "old");
  await older.heard("start_tcp_tunnel");
  older.data(String(older.all("start_tcp_tunnel")[0]?.["tunnel_id"]), "SSH");
  await operator.heard("tunnel_started");
  const newer = await bench.agent(7);
  // Whoever is replaced forgets the tunnels that it had.
  await older.heard("close_tcp_tunnel");
  expect((await older.ended()).code).toBe(4001);
  await operator.heard("tunnel_closed");
  expect(bench.gateway.registry.count).toBe(1);
  operator.start(7, "new");
  await newer.heard("start_tcp_tunnel");
});

test("a device is its first certificate's, and another one hears why", async () => {
  const bench = await V1GatewayBench.create();
  await bench.agent(7);
  const thief = bench.dial({ unit: "COMPUTERS", name: "uuid-8_1" });
  thief.register(7);
  expect(await thief.heard("error")).toEqual({
    type: "error",
    message: "Cannot serve device 7: it is bound to another certificate",
  });
  expect((await thief.ended()).code).toBe(4407);
  expect(bench.records.at(-1)).toMatchObject({
    event: "link.refused",
    code: "deviceBound",
  });
  expect(bench.gateway.registry.find(7)).toBeDefined();
});

test("an agent that comes as another device over the same link is sent away", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  await bench.clock.advance(1_000);
  agent.register(8);
  expect((await agent.ended()).code).toBe(4406);
  await until(() => bench.gateway.registry.count === 0);
});

test("a certificate decides what its holder may say first", async () => {
  const agentsWords = [{ type: "register_agent", id: 7, services: [] }];
  const operatorsWords = [
    { type: "connect_client" },
    { type: "list_agents" },
    { type: "start_tcp_tunnel", id: 7, "tunnel_id": "t" },
    { type: "execute_command", id: 7, "exec_id": "e", command: "x" },
  ];
  const cases = [
    ...agentsWords.map((message) => [ANA, message] as const),
    ...operatorsWords.map((message) => [SEVEN, message] as const),
  ];
  for (const [who, message] of cases) {
    const bench = await V1GatewayBench.create();
    const peer = bench.dial(who);
    peer.say(message);
    // What follows in the same turn is not taken for a beginning.
    peer.register(7);
    await peer.heard("error");
    expect((await peer.ended()).code).toBe(4406);
    expect(bench.records).toMatchObject([
      { event: "link.refused", code: "roleRefused" },
    ]);
    expect([bench.gateway.registry.count, bench.clock.sleeperCount])
      .toEqual([0, 0]);
  }
});

test("a certificate decides what its holder may say later", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  agent.say({ type: "execute_command", id: 7, "exec_id": "e", command: "x" });
  operator.say({ type: "exec_complete", "exec_id": "e", "exit_code": 0 });
  for (const peer of [agent, operator]) {
    await peer.heard("error");
    expect((await peer.ended()).code).toBe(4406);
  }
  expect(bench.records.slice(1)).toMatchObject([
    { event: "link.refused", subject: "/O=mf.test/OU=COMPUTERS/CN=uuid-7_1" },
    { event: "link.refused", subject: "/O=mf.test/OU=ADMINS/CN=ana" },
  ]);
});

test("who shows no certificate, or says nothing, is sent away", async () => {
  const bench = await V1GatewayBench.create();
  const nobody = bench.dial({ name: "" });
  expect((await nobody.ended()).code).toBe(4401);
  const silent = bench.dial(SEVEN);
  await settle();
  await bench.clock.advance(10_000);
  expect((await silent.ended()).code).toBe(4408);
  const garbled = bench.dial(SEVEN);
  garbled.link.send("no json");
  expect((await garbled.ended()).code).toBe(4400);
});

test("what an agent says that nobody knows costs nothing but a count", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  agent.link.send("no json");
  agent.link.send("[]");
  agent.say({ type: "unheard_of", id: 7 });
  agent.say({ type: "tunnel_data", "tunnel_id": id, data: "no hex" });
  agent.say({
    type: "exec_output",
    "exec_id": "e",
    stream: "stdout",
    data: "",
  });
  agent.data(id, "!");
  await operator.heard("tunnel_data", 2);
  expect(operator.text("cli-1")).toBe("SSH-2.0-x!");
  const ignored = bench.log.lines.filter((line) =>
    /message\.ignored/.test(line)
  );
  expect(ignored.length).toBe(1);
});

test("a certificate that goes bad ends the links that it has opened", async () => {
  let isRevoked = false;
  const bench = await V1GatewayBench.create({
    identity: {
      source: { tag: "certificate" },
      isRevoked: () => isRevoked,
      wallNow: () => 0,
    },
  });
  const { agent, operator } = await bench.tunnel();
  isRevoked = true;
  bench.gateway.sweep();
  for (const peer of [agent, operator]) {
    expect((await peer.ended()).code).toBe(4405);
  }
  const revoked = bench.records.filter(({ event }) => event === "link.revoked");
  expect(revoked.map((record) => "subject" in record && record.subject))
    .toEqual([
      "CN=uuid-7_1,OU=COMPUTERS,O=mf.test",
      "CN=ana,OU=ADMINS,O=mf.test",
    ]);
});

test("protocol 1 can be switched off", async () => {
  const bench = await V1GatewayBench.create({ v1Budget: undefined });
  const agent = bench.dial(SEVEN);
  expect(agent.refused).toMatchObject({
    status: 400,
    fault: { code: "versionUnsupported" },
  });
  expect(bench.dial(SEVEN, { path: "/" }).refused?.status).toBe(404);
  const page = bench.metrics.page({
    agentsConnected: 0,
    v1AgentsConnected: 0,
    isInsecure: false,
    residentBytes: 0,
  });
  expect(page).toContain('links_refused_total{code="versionUnsupported"} 1');
});

test("a peer that offers a subprotocol of its own is none of protocol 1", async () => {
  const bench = await V1GatewayBench.create();
  const subprotocols = ["mqtt"];
  expect(bench.dial(SEVEN, { subprotocols }).refused?.status).toBe(400);
});

test("a gateway that stops says so to agents and operators, and waits for nobody", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, operator } = await bench.tunnel();
  const drained = bench.gateway.drain(1_000, 0, new AbortController().signal);
  await settle();
  await bench.clock.advance(1_000);
  for (const peer of [agent, operator]) {
    expect((await peer.ended()).code).toBe(4002);
  }
  await drained;
  expect([bench.clock.sleeperCount, bench.gateway.tunnelCount]).toEqual([0, 0]);
});
