import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { hex, V1Bench } from "./v1_bench.ts";

const REGISTER = {
  type: "register_agent",
  id: 7,
  name: "aula-7 [CID-7]",
  services: ["ssh"],
  mode: "tcp_tunnel",
};
const FULL = { type: "error", message: "Connection limit reached (50000)" };

test("item 9: the first frame registers us, with an integer id and the open services", async () => {
  await using bench = await V1Bench.online();
  expect(bench.link.heard).toEqual([REGISTER]);
  expect(bench.link.dial).toEqual({
    url: "wss://relay.test/tunnel",
    subprotocol: undefined,
    headers: { "X-Agent-ID": "7" },
  });
  expect(bench.agent.state).toMatchObject({
    link: "online",
    gatewayUrl: "wss://relay.test/tunnel",
    protocol: 1,
  });
});

test("item 10: a day goes by without another registration", async () => {
  await using bench = await V1Bench.online();
  await bench.clock.advance(86_400_000);
  expect(bench.link.of("register_agent")).toEqual([REGISTER]);
  expect(bench.link.heard).toHaveLength(5);
}, 20_000);

test(
  "item 10: a service that comes or goes is told, and one that flaps is told seldom",
  async () => {
    await using bench = await V1Bench.online();
    const told = () =>
      bench.link.of("register_agent").map(({ services }) => services);
    bench.portStates = ["open", "unknown"];
    await bench.clock.advance(10_000);
    expect(told()).toEqual([["ssh"], ["ssh", "vnc"]]);
    for (let turn = 0; turn < 360; turn++) {
      bench.portStates = [turn % 2 === 0 ? "closed" : "open", "open"];
      await bench.clock.advance(10_000);
    }
    // At once three, then one in 5 minutes.
    expect(told().length).toBeGreaterThan(10);
    expect(told().length).toBeLessThan(18);
  },
  20_000,
);

test("item 11: a relay that is full is left in peace, longer each time", async () => {
  await using bench = new V1Bench();
  await settle();
  for (let attempt = 0; attempt < 3; attempt++) {
    const count = bench.links.length;
    const { link } = bench;
    await link.say(FULL);
    link.links.far.close(1000, "");
    await bench.clock.advance(4_900);
    expect(bench.links.length).toBe(count);
    await bench.clock.advance(200);
    expect(bench.links.length).toBe(count + 1);
  }
  expect(bench.log.lines.filter((line) => line.startsWith("link.failed"))[0])
    .toBe(
      'link.failed {"attempt":1,"waitMs":5000} quotaExceeded: The relay ' +
        "turned us away: Connection limit reached (50000)",
    );
});

test("item 12: after a normal close it waits, and registers anew", async () => {
  await using bench = await V1Bench.online();
  await bench.clock.advance(120_000);
  bench.link.links.far.close(1000, "");
  await bench.clock.advance(1_900);
  expect(bench.links.length).toBe(1);
  await bench.clock.advance(200);
  expect(bench.links.length).toBe(2);
  expect(bench.link.heard).toEqual([REGISTER]);
});

test("item 13: the old link has closed before the next one is dialed", async () => {
  await using bench = await V1Bench.online();
  const { link } = bench;
  bench.changeIdentity();
  await bench.clock.advance(5_000);
  expect(link.end).toEqual({ code: 1001, reason: "identityChanged" });
  expect(link.links.near.state).toBe("closed");
  expect(bench.links.length).toBe(2);
});

test("item 14: it pings every 20 s, and takes a minute of silence for the end", async () => {
  await using bench = await V1Bench.online();
  const { link } = bench;
  await bench.clock.advance(200_000);
  expect(link.aliveCount).toBe(10);
  link.links.wire.swallow();
  link.links.far.terminate();
  await bench.clock.advance(64_000);
  const lost = bench.log.lines.filter((line) => line.startsWith("link.lost"));
  expect(lost).toHaveLength(1);
  expect(lost[0]).toContain("linkSilent: The link was silent for 6");
});

test("a relay that never answers the registration is left", async () => {
  await using bench = new V1Bench();
  await bench.clock.advance(30_000);
  expect(bench.log.lines[0]).toContain("linkSilent: The relay did not answer");
  expect(bench.link.end).toEqual({ code: 1001, reason: "linkSilent" });
});

test("item 25: what it does not understand is logged once a minute, and the link stands", async () => {
  await using bench = await V1Bench.online();
  const odd = [
    "{",
    "[]",
    "7",
    { type: "greeting", x: 1 },
    { type: "tunnel_data", "tunnel_id": "x", data: "xyz" },
    { type: "list_agents" },
    { type: "start_tcp_tunnel", "tunnel_id": 5 },
    FULL,
  ];
  for (const message of odd) await bench.link.say(message);
  await bench.clock.advance(60_000);
  await bench.link.say("{");
  const lines = bench.log.lines.filter((line) => /ignored/.test(line));
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain('"count":8');
  // With an extra key.
  await bench.link.say({
    type: "start_tcp_tunnel",
    "tunnel_id": "t",
    service: "ssh",
    later: true,
  });
  await bench.link.say({
    type: "tunnel_data",
    "tunnel_id": "t",
    data: hex("hi"),
    later: 1,
  });
  expect(bench.socket.received).toEqual(new TextEncoder().encode("hi"));
});

test("item 27: a stop closes each tunnel, then the link with 1001", async () => {
  const bench = await V1Bench.online();
  const { link } = bench;
  for (const id of ["a", "b"]) {
    await link.say({ type: "start_tcp_tunnel", "tunnel_id": id });
  }
  expect(bench.agent.state.tunnels).toHaveLength(2);
  expect(await bench.stop()).toMatchObject({ code: "agentStopping" });
  expect(link.of("close_tunnel").map(({ tunnel_id: id }) => id)).toEqual([
    "a",
    "b",
  ]);
  expect(link.end).toEqual({ code: 1001, reason: "agentStopping" });
  expect(bench.sockets.map(({ calls }) => calls))
    .toEqual([["reset"], ["reset"]]);
  expect(bench.agent.state.tunnels).toEqual([]);
});
