import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { until } from "./resume_bench.ts";
import { ANA, V1GatewayBench } from "./v1_gateway_bench.ts";

test("a gateway joins an operator and an agent of protocol 1, in upstream's words", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  expect(operator.subprotocol).toBeNull();
  expect(agent.messages).toEqual([
    {
      type: "registration_ok",
      message: "Agent registered successfully",
      protocols: [1, 2],
    },
    {
      type: "start_tcp_tunnel",
      tunnel_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      service: "ssh",
      // The certificate's, whatever the message says.
      client_cn: "ana",
    },
  ]);
  expect(operator.messages).toEqual([
    { type: "connection_ok", message: "Client connected" },
    { type: "tunnel_started", tunnel_id: "cli-1", id: 7, service: "ssh" },
    {
      type: "tunnel_data",
      tunnel_id: "cli-1",
      origin: "agent",
      data: new TextEncoder().encode("SSH-2.0-x").toHex(),
    },
  ]);
  operator.data("cli-1", "hello");
  await agent.heard("tunnel_data");
  expect(agent.all("tunnel_data")).toEqual([
    { type: "tunnel_data", tunnel_id: id, data: "68656c6c6f" },
  ]);
  expect(bench.records.map(({ event }) => event))
    .toEqual(["device.bound", "tunnel.opened"]);
});

test("an operator hears when the agent says that the service has closed, whichever way it says so", async () => {
  for (const type of ["tunnel_closed", "close_tunnel"]) {
    const bench = await V1GatewayBench.create();
    const { agent, id, operator } = await bench.tunnel();
    agent.data(id, " bye");
    agent.say({ type, "tunnel_id": id });
    await operator.heard("tunnel_closed");
    expect(operator.text("cli-1")).toBe("SSH-2.0-x bye");
    await until(() => bench.records.at(-1)?.event === "tunnel.closed");
    expect(bench.records.at(-1)).toMatchObject({ code: "ok", bytesDown: 13 });
    expect(agent.all("close_tcp_tunnel")).toEqual([]);
  }
});

test("an operator that closes a tunnel hears that it is, and so does the agent", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  operator.data("cli-1", "last");
  operator.say({ type: "close_tunnel", "tunnel_id": "cli-1" });
  await operator.heard("tunnel_closed");
  await until(() => agent.text(id) === "last");
  await bench.clock.advance(2_000);
  await agent.heard("close_tcp_tunnel");
  expect(operator.all("tunnel_closed").length).toBe(1);
  await until(() => bench.records.at(-1)?.event === "tunnel.closed");
});

test("an agent hears at once that an operator has gone", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  operator.link.terminate();
  expect(await agent.heard("close_tcp_tunnel")).toEqual({
    type: "close_tcp_tunnel",
    tunnel_id: id,
  });
});

test("an operator hears at once that an agent has gone", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, operator } = await bench.tunnel();
  agent.link.close(1000, "");
  await operator.heard("tunnel_closed");
  operator.start(7, "cli-2");
  expect(await operator.heard("error")).toEqual({
    type: "error",
    message: "Agent 7 not found on this server",
  });
});

test("an operator is told why there is no tunnel, with upstream's text for no agent", async () => {
  const bench = await V1GatewayBench.create();
  await bench.agent(7);
  const operator = await bench.operator();
  const wishes: [unknown, string, string][] = [
    [9, "ssh", "Agent 9 not found on this server"],
    ["x", "ssh", "Agent None not found on this server"],
    [9, "exec", "Agent 9 not found on this server"],
    [7, "gopher", 'Device 7 offers no service "gopher", only: ssh'],
    [7, "NO", "Cannot open tunnel: the request names no device or service"],
  ];
  let nth = 0;
  for (const [id, service, message] of wishes) {
    operator.start(id, `cli-${nth++}`, service);
    expect(await operator.heard("error", nth)).toEqual({
      type: "error",
      message,
    });
  }
  expect(operator.end).toBeUndefined();
});

test("a tunnel counts as open when the agent brings no bad news for a while", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7, ["rdp", "ssh"]);
  const operator = await bench.operator();
  for (const [service, ms] of [["rdp", 250], ["ssh", 1_000]] as const) {
    operator.start(7, service, service);
    await agent.heard("start_tcp_tunnel", ms > 250 ? 2 : 1);
    await settle();
    await bench.clock.advance(ms - 1);
    await settle();
    expect(operator.all("tunnel_started").length).toBe(ms > 250 ? 1 : 0);
    await bench.clock.advance(1);
    await operator.heard("tunnel_started", ms > 250 ? 2 : 1);
  }
});

test("an operator hears why when the agent closes at once what it was asked for", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  operator.start(7, "cli-1");
  const { tunnel_id: id } = await agent.heard("start_tcp_tunnel");
  agent.say({ type: "close_tunnel", "tunnel_id": id });
  expect(await operator.heard("error")).toMatchObject({
    message: "Cannot reach ssh of the device: it closed at once",
  });
  expect(operator.all("tunnel_closed")).toEqual([]);
});

test("a service that speaks first must speak if its port was closed, within 9 s", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7, []);
  const operator = await bench.operator();
  operator.start(7, "cli-1");
  await agent.heard("start_tcp_tunnel");
  await bench.clock.advance(8_999);
  expect(operator.messages.length).toBe(1);
  await bench.clock.advance(1);
  expect(await operator.heard("error")).toMatchObject({
    message: "Device 7 did not answer in 9 s",
  });
  await agent.heard("close_tcp_tunnel");
});

test("an operator that leaves before its tunnel is open leaves nothing behind", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  operator.start(7, "cli-1");
  await agent.heard("start_tcp_tunnel");
  operator.link.terminate();
  await agent.heard("close_tcp_tunnel");
  await until(() => bench.gateway.tunnelCount === 0);
  expect(bench.clock.sleeperCount).toBe(0);
});

test("nobody touches a tunnel but the operator and the agent whose it is", async () => {
  const bench = await V1GatewayBench.create();
  const { agent, id, operator } = await bench.tunnel();
  const strangers = [
    await bench.operator({ ...ANA, name: "bea" }),
    await bench.agent(8),
  ];
  for (const stranger of strangers) {
    for (const tunnelId of ["cli-1", id]) {
      stranger.data(tunnelId, "evil");
      stranger.say({ type: "close_tunnel", "tunnel_id": tunnelId });
      stranger.say({ type: "tunnel_closed", "tunnel_id": tunnelId });
    }
  }
  // Neither with the other one's name for it.
  operator.data(id, "evil");
  agent.data("cli-1", "evil");
  operator.data("cli-1", "good");
  await agent.heard("tunnel_data");
  await settle();
  expect([agent.text(id), operator.text("cli-1")])
    .toEqual(["good", "SSH-2.0-x"]);
  expect(operator.all("tunnel_closed")).toEqual([]);
});

test("tunnels of one link are many, each once, and counted", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  for (let at = 1; at <= 9; at++) operator.start(7, `cli-${at}`);
  operator.start(7, "cli-1");
  await agent.heard("start_tcp_tunnel", 8);
  for (const { tunnel_id: id } of agent.all("start_tcp_tunnel")) {
    agent.data(String(id), "SSH");
  }
  await operator.heard("tunnel_started", 8);
  await operator.heard("error", 2);
  expect(operator.all("error").map(({ message }) => message)).toEqual([
    "There is a tunnel with this id",
    "Cannot open tunnel: operator ana has 8 tunnels open, the limit",
  ]);
  expect(bench.gateway.tunnelCount).toBe(8);
});

test("what an operator is started for exec is silence that it may close", async () => {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  operator.start(7, "web-1", "exec");
  expect(await operator.heard("tunnel_started")).toEqual({
    type: "tunnel_started",
    tunnel_id: "web-1",
    id: 7,
    service: "exec",
  });
  operator.data("web-1", "nobody hears this");
  operator.say({ type: "close_tunnel", "tunnel_id": "web-1" });
  await operator.heard("tunnel_closed");
  expect(agent.messages.length).toBe(1);
});
