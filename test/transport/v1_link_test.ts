import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { V1_DIALECTS } from "../../src/transport/v1_dialect.ts";
import { HEARTBEAT, listen, V1Bench } from "./v1_bench.ts";

const MIB = 1024 * 1024;

test("V1Link carries bytes of tunnels as hexadecimal, both ways", async () => {
  const bench = new V1Bench();
  const { tunnel, heard } = bench.open("t");
  expect(tunnel.write(new Uint8Array([0, 171]))).toBe(true);
  bench.hearData("t", new Uint8Array(3));
  bench.hear({ type: "tunnel_data", tunnel_id: "t", data: "ABCDEF" });
  await bench.settle();
  expect(bench.said).toEqual([
    { type: "tunnel_data", tunnel_id: "t", data: "00ab" },
  ]);
  expect(heard).toEqual({ bytes: 6, calls: [] });
});

test("V1Link says of an agent's bytes whose they are, each in lower case and below the limit", async () => {
  for (const name of ["agentToGateway", "gatewayToOperator"] as const) {
    const bench = new V1Bench(V1_DIALECTS[name]);
    const { tunnel } = bench.open("t");
    tunnel.write(new Uint8Array(150 * 1024).fill(0xab));
    await bench.settle();
    const lengths = bench.said.map(({ data, origin, type }) => {
      expect([origin, type]).toEqual(["agent", "tunnel_data"]);
      expect(data).toMatch(/^(?:ab)+$/);
      return String(data).length / 2;
    });
    expect(lengths).toEqual([64 * 1024, 64 * 1024, 22 * 1024]);
  }
});

test("V1Link tells a writer to wait, and when it may go on", async () => {
  const bench = new V1Bench();
  const { tunnel, heard } = bench.open("t");
  const other = bench.open("u");
  bench.near.block();
  let count = 1;
  while (tunnel.write(new Uint8Array(64 * 1024))) count++;
  expect(count).toBe(8);
  expect(other.tunnel.write(new Uint8Array(1))).toBe(false);
  bench.near.unblock();
  await bench.settle();
  expect([heard.calls, other.heard.calls]).toEqual([["drain"], ["drain"]]);
  expect(bench.said.length).toBe(9);
});

test("V1Link gives its owner what is no tunnel's, and what cannot be read", async () => {
  const bench = new V1Bench();
  bench.hear({ type: "list_agents" });
  bench.hear({ type: "close_tunnel", tunnel_id: "unknown" });
  bench.hearData("unknown", new Uint8Array(1));
  bench.far.send("no json");
  await bench.settle();
  expect(bench.messages).toEqual([
    { type: "list_agents" },
    { type: "close_tunnel", tunnel_id: "unknown" },
  ]);
  expect(bench.ignored.length).toBe(1);
  expect(bench.said).toEqual([]);
});

test("V1Link keeps what comes for a tunnel before anybody listens to it", async () => {
  const bench = new V1Bench();
  const tunnel = bench.link.openTunnel("t");
  let isAnswered = false;
  void tunnel.answered.then(() => isAnswered = true);
  await bench.settle();
  expect(isAnswered).toBe(false);
  bench.hearData("t", new Uint8Array(5));
  bench.hear({ type: "tunnel_closed", tunnel_id: "t" });
  await bench.settle();
  expect([isAnswered, tunnel.unreadBytes, tunnel.over.aborted])
    .toEqual([true, 5, true]);
  const heard = listen(tunnel);
  await bench.settle();
  expect(heard).toEqual({ bytes: 5, calls: ["end", "closed"] });
});

test("V1Link takes an id once at a time", async () => {
  const bench = new V1Bench();
  const { tunnel } = bench.open("t");
  expect(() => bench.link.openTunnel("t")).toThrow("There is a tunnel");
  tunnel.reset();
  await bench.settle();
  expect(bench.link.has("t")).toBe(false);
  bench.open("t");
  expect(bench.link.tunnelCount).toBe(1);
});

for (const type of ["close_tunnel", "close_tcp_tunnel", "tunnel_closed"]) {
  test(`V1Link ends a tunnel when the peer says ${type}`, async () => {
    const bench = new V1Bench();
    const { tunnel, heard } = bench.open("t");
    bench.hearData("t", new Uint8Array(7));
    bench.hear({ type, tunnel_id: "t" });
    await bench.settle();
    expect(heard).toEqual({ bytes: 7, calls: ["end", "closed"] });
    expect([bench.said, bench.link.tunnelCount]).toEqual([[], 0]);
    // What is written now goes nowhere, and nobody waits for it.
    expect(tunnel.write(new Uint8Array(1))).toBe(true);
    tunnel.end();
    await bench.settle();
    expect(bench.said).toEqual([]);
  });
}

test("V1Link answers an operator that closes a tunnel, once", async () => {
  const bench = new V1Bench(V1_DIALECTS.gatewayToOperator);
  bench.open("t");
  bench.hear({ type: "close_tunnel", tunnel_id: "t" });
  bench.hear({ type: "close_tunnel", tunnel_id: "t" });
  await bench.settle();
  expect(bench.said).toEqual([{ type: "tunnel_closed", tunnel_id: "t" }]);
});

test("V1Link says nothing of the end of a tunnel that was concealed", async () => {
  const bench = new V1Bench(V1_DIALECTS.gatewayToOperator);
  const { tunnel, heard } = bench.open("t");
  tunnel.conceal();
  tunnel.reset();
  await bench.settle();
  expect([bench.said, heard.calls]).toEqual([[], ["closed streamReset"]]);
  const { tunnel: later } = bench.open("u");
  later.conceal();
  later.announce();
  later.reset();
  await bench.settle();
  expect(bench.said).toEqual([{ type: "tunnel_closed", tunnel_id: "u" }]);
});

test("V1Link closes a tunnel whose direction we have ended when the other one falls silent", async () => {
  const bench = new V1Bench();
  const { tunnel, heard } = bench.open("t");
  tunnel.end();
  await bench.clock.advance(1_999);
  bench.hearData("t", new Uint8Array(3));
  await bench.clock.advance(1_999);
  expect([bench.said, heard]).toEqual([[], { bytes: 3, calls: [] }]);
  await bench.clock.advance(1);
  expect(bench.saidTypes()).toEqual(["close_tcp_tunnel"]);
  expect(heard.calls).toEqual(["end", "closed"]);
  expect(bench.clock.sleeperCount).toBe(0);
});

test("V1Link takes unread bytes for no silence", async () => {
  const bench = new V1Bench();
  const { tunnel, heard } = bench.open("t");
  tunnel.pause();
  tunnel.end();
  bench.hearData("t", new Uint8Array(3));
  await bench.clock.advance(60_000);
  expect([bench.said, heard.bytes]).toEqual([[], 0]);
  tunnel.resume();
  await bench.clock.advance(2_000);
  expect([heard.bytes, heard.calls]).toEqual([3, ["end", "closed"]]);
});

test("V1Link ends a tunnel once when both sides close it at the same time", async () => {
  const bench = new V1Bench(V1_DIALECTS.agentToGateway);
  const { tunnel, heard } = bench.open("t");
  bench.hear({ type: "close_tcp_tunnel", tunnel_id: "t" });
  tunnel.end();
  await bench.settle();
  expect(bench.saidTypes()).toEqual(["close_tunnel"]);
  expect(heard.calls).toEqual(["end", "closed"]);
});

test("V1Link ends every tunnel with its own end, and tells its owner last", async () => {
  const bench = new V1Bench();
  const one = bench.open("t");
  const two = bench.open("u");
  two.tunnel.pause();
  bench.hearData("u", new Uint8Array(4));
  await bench.settle();
  bench.far.close(4001, "A newer link");
  await bench.settle();
  expect(one.heard.calls).toEqual(["closed linkReplaced"]);
  // What came before a link broke off is no more than a part of something.
  expect(two.heard).toEqual({ bytes: 0, calls: ["closed linkReplaced"] });
  expect(bench.closed.map(({ code }) => code)).toEqual(["linkReplaced"]);
  expect(() => bench.link.openTunnel("v")).toThrow("A newer link");
  expect(bench.clock.sleeperCount).toBe(0);
});

test("V1Link closes all its tunnels, each with a word", async () => {
  const bench = new V1Bench();
  const { heard } = bench.open("t");
  bench.open("u");
  bench.link.closeTunnels(new Fault("peerGone", "Over"));
  await bench.settle();
  expect(bench.said.map(({ tunnel_id }) => tunnel_id)).toEqual(["t", "u"]);
  expect(heard.calls).toEqual(["closed peerGone"]);
});

test("V1Link takes any message and any pong for life, and cuts a silent peer", async () => {
  const bench = new V1Bench();
  const stop = new AbortController();
  const running = bench.heartbeats.run(stop.signal)
    .catch(() => undefined); // It was told to stop.
  // The memory link answers pings, as every WebSocket does.
  await bench.clock.advance(HEARTBEAT.timeout_ms * 3);
  expect(bench.closed).toEqual([]);
  bench.near.block();
  bench.near.ping = () => undefined;
  await bench.clock.advance(HEARTBEAT.timeout_ms + 2_000);
  expect(bench.closed.map(({ code }) => code)).toEqual(["linkSilent"]);
  stop.abort();
  await running;
});

test("V1Link feeds a tunnel from within, as if it had come", async () => {
  const bench = new V1Bench();
  const { heard } = bench.open("t");
  bench.link.feed("t", new Uint8Array(2 * MIB));
  bench.link.feed("unknown", new Uint8Array(1));
  await bench.settle();
  expect(heard.bytes).toBe(2 * MIB);
});
