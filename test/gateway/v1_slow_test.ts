import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { until } from "./resume_bench.ts";
import { V1GatewayBench } from "./v1_gateway_bench.ts";

const LINE = "x".repeat(32 * 1024);
const MIB = 1024 * 1024;

test("an operator that does not read costs bounded memory, and the others nothing", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  const other = await bench.operator();
  other.start(7, "cli-2");
  const { tunnel_id: otherId } = await agent.heard("start_tcp_tunnel", 2);
  agent.data(String(otherId), "SSH");
  await other.heard("tunnel_started");
  operator.atGateway.block();
  for (let at = 0; at < 512; at++) {
    agent.data(id, LINE);
    if (at % 16 === 0) {
      other.data("cli-2", "ping");
      agent.data(String(otherId), "pong");
    }
    await bench.clock.advance(50);
  }
  expect(agent.text(String(otherId))).toBe("ping".repeat(32));
  expect(other.text("cli-2")).toBe("SSH" + "pong".repeat(32));
  expect(operator.atGateway.bufferedBytes).toBeLessThan(4 * MIB);
  operator.atGateway.unblock();
  await until(() => operator.text("cli-1").length === 9 + 512 * LINE.length);
  expect([agent.end, operator.end]).toEqual([undefined, undefined]);
});

test("an operator that asks and does not read is cut", async () => {
  const bench = await V1GatewayBench.create();
  const operator = await bench.operator();
  operator.atGateway.block();
  let mostBytes = 0;
  const execId = LINE.slice(-128);
  for (let at = 0; at < 1_000 && !operator.end; at++) {
    for (let more = 0; more < 512; more++) operator.execute("x", execId, "y");
    await settle();
    mostBytes = Math.max(mostBytes, operator.atGateway.bufferedBytes);
  }
  expect(operator.end?.code).toBe(1006);
  expect(mostBytes).toBeLessThan(17 * MIB);
});

test("an operator that asks too often hears that, and costs nothing else", async () => {
  const bench = await V1GatewayBench.create();
  const operator = await bench.operator();
  for (let at = 0; at < 200; at++) operator.start(9, `cli-${at}`);
  operator.execute(9, "exec-1", "migasfree");
  await operator.heard("exec_error");
  await operator.heard("error", 200);
  const errors = operator.all("error").map(({ message }) => message);
  const isAsked = (text: unknown) =>
    text === "Agent 9 not found on this server";
  expect(errors.filter(isAsked).length).toBe(128);
  expect(errors.filter((text) => text === "This link asks too often").length)
    .toBe(72);
  expect(operator.all("exec_error")).toMatchObject([
    { exec_id: "exec-1", error: "This link asks too often" },
  ]);
  await bench.clock.advance(1_000);
  operator.start(9, "later");
  await operator.heard("error", 201);
  expect(isAsked(operator.all("error")[200]?.["message"])).toBe(true);
});

test("an operator hears which agents are online, as upstream's relay lists them", async () => {
  const bench = await V1GatewayBench.create();
  await bench.agent(7);
  await bench.agent(3);
  const operator = bench.dial(
    { unit: "ADMINS", name: "ana" },
    {},
    { host: "gw.test:8443" },
  );
  operator.say({ type: "list_agents" });
  const row = (id: number) => ({
    id,
    name: `aula-${id} [CID-${id}]`,
    services: ["ssh"],
    mode: "tcp_tunnel",
    relay: "wss://gw.test:8443/tunnel",
    server_ip: "gw.test",
  });
  expect(await operator.heard("agent_list")).toEqual({
    type: "agent_list",
    agents: [row(3), row(7)],
    total: 2,
  });
});
