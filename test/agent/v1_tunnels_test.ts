import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { hex, type RelayLink, V1Bench } from "./v1_bench.ts";

const START = { type: "start_tcp_tunnel", "tunnel_id": "t", service: "ssh" };
const CLOSE = { type: "close_tunnel", "tunnel_id": "t" };

function data(text: string, id = "t") {
  return { type: "tunnel_data", "tunnel_id": id, data: hex(text) };
}

function tunnelLines(bench: V1Bench): string[] {
  return bench.log.lines.filter((line) => line.startsWith("tunnel."));
}

/** All but the registration. */
function afterFirst(link: RelayLink) {
  return link.heard.slice(1);
}

test("item 15: what the service says goes out as lower-case hexadecimal of an agent", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say({ ...START, "client_cn": "ana\u202e" });
  bench.socket.say(Uint8Array.of(0xab, 0xcd, 0x00, 0xef));
  await settle();
  expect(afterFirst(bench.link)).toEqual([{
    type: "tunnel_data",
    "tunnel_id": "t",
    origin: "agent",
    data: "abcd00ef",
  }]);
  expect(tunnelLines(bench)).toEqual([
    'tunnel.open {"tunnelId":"t","service":"ssh","operator":"ana? (not verified)"}',
  ]);
  expect(bench.agent.state.tunnels).toMatchObject([
    { id: "t", service: "ssh", operator: "ana? (not verified)" },
  ]);
});

test("item 16: an unknown service, and one that does not answer, close the tunnel", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say({ ...START, service: "telnet" });
  expect(afterFirst(bench.link)).toEqual([CLOSE]);
  bench.dialService = () =>
    Promise.reject(new Fault("serviceRefused", "Nobody listens"));
  await bench.link.say(START);
  expect(afterFirst(bench.link)).toEqual([CLOSE, CLOSE]);
  const shown = '"operator":"unknown (not verified)"}';
  expect(tunnelLines(bench)).toEqual([
    `tunnel.refused {"tunnelId":"t","service":"telnet",${shown} serviceUnknown: There is no service "telnet"`,
    `tunnel.refused {"tunnelId":"t","service":"ssh",${shown} serviceRefused: The device's ssh service does not answer: Nobody listens`,
  ]);
  expect(bench.agent.state.tunnels).toEqual([]);
});

test("item 17: the end of the service sends what is left, then close_tunnel", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say(START);
  bench.socket.say("bye");
  bench.socket.sayEnd();
  await settle();
  expect(afterFirst(bench.link)).toMatchObject([{ data: hex("bye") }, CLOSE]);
  // The echoes of a relay.
  await bench.link.say({ ...CLOSE, type: "close_tcp_tunnel" });
  await bench.link.say({ ...CLOSE, type: "tunnel_closed" });
  expect(tunnelLines(bench)[1]).toBe(
    'tunnel.close {"tunnelId":"t","ms":0,"sentBytes":3,"receivedBytes":0,"code":"ok"}',
  );
  expect(bench.socket.isClosed).toBe(true);
});

test("item 18: what comes before the service has answered is kept, in order", async () => {
  await using bench = await V1Bench.online();
  const socket = new MemorySocket();
  const dialed = Promise.withResolvers<MemorySocket>();
  bench.dialService = () => dialed.promise;
  await bench.link.say(START);
  for (const text of ["one", "two", "three"]) await bench.link.say(data(text));
  await bench.link.say({ ...CLOSE, type: "close_tcp_tunnel" });
  dialed.resolve(socket);
  await settle();
  expect(new TextDecoder().decode(socket.received)).toBe("onetwothree");
  expect(socket.calls).toContain("end");
  expect(afterFirst(bench.link)).toEqual([]);
});

test("item 19: a service that does not read stops neither its neighbour nor a new one", async () => {
  await using bench = await V1Bench.online({ tunnelsMax: 3 });
  await bench.link.say({ ...START, "tunnel_id": "stuck" });
  bench.socket.script = { write: () => false };
  await bench.link.say(START);
  const text = "x".repeat(16_000);
  for (let index = 0; index < 200; index++) {
    await bench.link.say(data(text, "stuck"));
  }
  await bench.link.say(data("alive"));
  await bench.clock.advance(5_000);
  expect(new TextDecoder().decode(bench.socket.received)).toBe("alive");
  await bench.link.say({ ...CLOSE, "tunnel_id": "stuck" });
  await bench.link.say({ ...START, "tunnel_id": "new" });
  expect(bench.sockets).toHaveLength(3);
  // Its operator has left: it gets time for what is on its way, and no more.
  expect(bench.sockets[0]?.calls).not.toContain("reset");
  await bench.clock.advance(300_000);
  expect(bench.sockets[0]?.calls).toContain("reset");
  expect(bench.agent.state.tunnels.map(({ id }) => id)).toEqual(["t", "new"]);
});

test("item 20: a tunnel to exec is left alone", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say({ ...START, service: "exec" });
  await bench.link.say(data("nothing"));
  await bench.link.say({ ...CLOSE, type: "close_tcp_tunnel" });
  expect(afterFirst(bench.link)).toEqual([]);
  expect(bench.log.lines.slice(1)).toEqual([]);
  expect(bench.agent.state.tunnels).toEqual([]);
});

test("item 26: the loss of the link breaks off all connections to services", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say(START);
  await bench.link.say({ ...START, "tunnel_id": "u" });
  bench.link.links.wire.cut();
  await settle();
  expect(bench.sockets.map(({ calls }) => calls))
    .toEqual([["reset"], ["reset"]]);
  expect(bench.agent.state.tunnels).toEqual([]);
  await bench.clock.advance(2_000);
  await bench.link.welcome();
  expect(afterFirst(bench.link)).toEqual([]);
});

test("there are no more tunnels than the agent allows", async () => {
  await using bench = await V1Bench.online();
  for (const id of ["a", "b", "c"]) {
    await bench.link.say({ ...START, "tunnel_id": id });
  }
  expect(afterFirst(bench.link)).toEqual([{ ...CLOSE, "tunnel_id": "c" }]);
  expect(tunnelLines(bench).at(-1)).toContain("quotaExceeded");
  await bench.link.say({
    ...CLOSE,
    type: "close_tcp_tunnel",
    "tunnel_id": "a",
  });
  bench.sockets[0]?.sayEnd();
  await settle();
  await bench.link.say({ ...START, "tunnel_id": "d" });
  expect(bench.sockets).toHaveLength(3);
});

test("a second tunnel with the same id ends the first: whose it is, nobody knows", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say(START);
  await bench.link.say(START);
  expect(bench.sockets).toHaveLength(1);
  expect(afterFirst(bench.link)).toEqual([CLOSE]);
  await bench.link.say({ ...CLOSE, type: "close_tcp_tunnel" });
  expect(bench.socket.calls).toContain("end");
  expect(bench.agent.state.tunnels).toHaveLength(1);
  bench.socket.sayEnd();
  await settle();
  expect(bench.agent.state.tunnels).toEqual([]);
});

test("the end that the operator asks for reaches the service", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say(START);
  await bench.link.say(data("quit"));
  await bench.link.say({ ...CLOSE, type: "close_tcp_tunnel" });
  expect(new TextDecoder().decode(bench.socket.received)).toBe("quit");
  expect(bench.socket.calls).toContain("end");
  // One that does not end by itself is ended.
  await bench.clock.advance(61_000);
  expect(bench.socket.calls).toContain("reset");
  expect(bench.agent.state.tunnels).toEqual([]);
});
