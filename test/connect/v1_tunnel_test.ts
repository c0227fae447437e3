import { expect, test } from "bun:test";
import { runOperatorTunnel } from "../../src/connect/open_tunnel.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { answerAsUpstream, tunnelData, V1Bench } from "./v1_bench.ts";

/** A program with a tunnel at an old site, and how that came to its end. */
class Tunnel {
  readonly bench = new V1Bench();
  readonly socket = new MemorySocket();
  readonly stop = new AbortController();
  startedCount = 0;
  outcome = "not yet";
  readonly service: string;

  constructor(service = "ssh") {
    this.service = service;
    this.bench.site.isOld = true;
    const relay = "wss://mf.test/tunnel";
    this.bench.page("/7", { id: 7, name: "pc7", services: [], relay });
  }

  async run(): Promise<void> {
    const target = { deviceId: 7, service: this.service };
    const started = () => void this.startedCount++;
    runOperatorTunnel(
      target,
      this.socket,
      this.bench.ports,
      started,
      this.stop.signal,
    ).then(
      () => this.outcome = "ok",
      (error: unknown) => this.outcome = Fault.from(error).code,
    );
    await this.bench.settle();
  }

  get tunnelId(): unknown {
    return this.bench.relay.heard("start_tcp_tunnel")[0]?.["tunnel_id"];
  }

  async hear(text: string): Promise<void> {
    this.bench.relay.say(tunnelData(this.tunnelId, text));
    await this.bench.settle();
  }
}

test("items 56, 57: a tunnel begins with the header and the integer id that the relay wants", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  const { bench } = tunnel;
  // The port is that of the site: upstream's relay URL leaves it out.
  expect(bench.dialed).toEqual([["wss://mf.test:8443/tunnel", undefined]]);
  expect(bench.relay.headers).toEqual({ "X-Agent-ID": "7" });
  expect(bench.relay.said).toEqual([
    { type: "connect_client", mode: "tcp_tunnel" },
    {
      type: "start_tcp_tunnel",
      id: 7,
      "tunnel_id": expect.stringMatching(/^cli-[0-9a-f]{32}$/) as unknown,
      service: "ssh",
      "client_cn": "alice",
    },
  ]);
  expect(tunnel.startedCount).toBe(1);
});

test("bytes go both ways as lower-case hexadecimal", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  await tunnel.hear("SSH-2.0-x\n");
  tunnel.socket.say("Größe\n");
  await tunnel.bench.settle();
  expect(new TextDecoder().decode(tunnel.socket.received)).toBe("SSH-2.0-x\n");
  expect(tunnel.bench.relay.heard("tunnel_data")).toEqual([{
    type: "tunnel_data",
    "tunnel_id": tunnel.tunnelId,
    data: "4772c3b6c39f650a",
  }]);
});

test("item 58: another relay is tried while one says that the agent is not there", async () => {
  const tunnel = new Tunnel();
  let count = 0;
  tunnel.bench.answer = (said, relay) => {
    if (said["type"] === "start_tcp_tunnel" && ++count < 4) {
      const message = "Agent 7 not found on this server";
      return relay.say({ type: "error", message });
    }
    answerAsUpstream(said, relay);
  };
  await tunnel.run();
  await tunnel.bench.clock.advance(1_000);
  expect([tunnel.bench.relays.length, tunnel.startedCount]).toEqual([4, 1]);
  expect(tunnel.bench.relays.slice(0, 3).map(({ end }) => end))
    .toEqual([1000, 1000, 1000]);
});

test("item 58: that has a limit, and the device is offline then", async () => {
  const tunnel = new Tunnel();
  tunnel.bench.answer = (said, relay) => {
    if (said["type"] !== "start_tcp_tunnel") {
      return answerAsUpstream(said, relay);
    }
    relay.say({ type: "error", message: "Agent 7 not found on this server" });
  };
  await tunnel.run();
  await tunnel.bench.clock.advance(10_000);
  expect([tunnel.bench.relays.length, tunnel.outcome])
    .toEqual([12, "deviceOffline"]);
  expect(tunnel.socket.calls).toEqual(["reset"]);
});

test("item 59: a service that says nothing is reported, although it was started", async () => {
  const tunnel = new Tunnel("vnc");
  await tunnel.run();
  await tunnel.bench.clock.advance(14_999);
  expect(tunnel.outcome).toBe("not yet");
  await tunnel.bench.clock.advance(5_000);
  await tunnel.bench.settle();
  expect(tunnel.outcome).toBe("openTimedOut");
});

test("item 59: whoever waits to be asked first has its time from the question on", async () => {
  const tunnel = new Tunnel("rdp");
  await tunnel.run();
  await tunnel.bench.clock.advance(60_000);
  expect(tunnel.outcome).toBe("not yet");
  tunnel.socket.say("hello");
  await tunnel.bench.settle();
  await tunnel.bench.clock.advance(20_000);
  expect(tunnel.outcome).toBe("openTimedOut");
});

test("item 59: a tunnel that is closed before its first byte is a failure", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  const { relay } = tunnel.bench;
  relay.say({ type: "tunnel_closed", "tunnel_id": tunnel.tunnelId });
  await tunnel.bench.settle();
  tunnel.socket.sayEnd();
  await tunnel.bench.settle();
  expect(tunnel.outcome).toBe("serviceRefused");
});

test("item 60: the end of the tunnel ends the local connection, and cleanly", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  await tunnel.hear("bye\n");
  const { relay } = tunnel.bench;
  relay.say({ type: "tunnel_closed", "tunnel_id": tunnel.tunnelId });
  await tunnel.bench.settle();
  expect(tunnel.socket.calls.includes("end")).toBe(true);
  tunnel.socket.sayEnd();
  await tunnel.bench.settle();
  expect([tunnel.outcome, relay.end]).toEqual(["ok", 1000]);
});

test("item 60: the local end closes the tunnel, after what is on its way", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  tunnel.socket.say("exit\n");
  tunnel.socket.sayEnd();
  await tunnel.bench.settle();
  await tunnel.bench.clock.advance(1_000);
  await tunnel.hear("last words");
  await tunnel.bench.clock.advance(1_500);
  const { relay } = tunnel.bench;
  expect(relay.heard("close_tunnel")).toEqual([]);
  await tunnel.bench.clock.advance(2_000);
  await tunnel.bench.settle();
  expect(relay.heard("close_tunnel"))
    .toEqual([{ type: "close_tunnel", "tunnel_id": tunnel.tunnelId }]);
  expect(tunnel.outcome).toBe("ok");
  expect(new TextDecoder().decode(tunnel.socket.received)).toBe("last words");
});

test("item 60: an abort closes the tunnel at once", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  tunnel.stop.abort(new Fault("tunnelCancelled", "Stopped by SIGINT"));
  await tunnel.bench.settle();
  expect(tunnel.bench.relay.heard("close_tunnel").length).toBe(1);
  expect([tunnel.outcome, tunnel.bench.relay.end])
    .toEqual(["tunnelCancelled", 1000]);
});

test("item 61: the link is read although the local program reads nothing", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  tunnel.socket.script = { write: () => false };
  for (let i = 0; i < 50; i++) await tunnel.hear("x".repeat(10_000));
  tunnel.bench.relay.link.ping();
  await tunnel.bench.settle();
  expect(tunnel.socket.received.byteLength).toBe(10_000);
  expect(tunnel.bench.relay.link.bufferedBytes).toBe(0);
  tunnel.socket.script = {};
  tunnel.socket.drain();
  await tunnel.bench.settle();
  expect(tunnel.socket.received.byteLength).toBe(500_000);
});

test("the loss of the link is a fault, never a clean end", async () => {
  const tunnel = new Tunnel();
  await tunnel.run();
  await tunnel.hear("hello");
  tunnel.bench.relay.link.terminate();
  await tunnel.bench.settle();
  expect([tunnel.outcome, tunnel.socket.calls.at(-1)])
    .toEqual(["linkLost", "reset"]);
});

test("a relay that is no wss: address is not dialed", async () => {
  const tunnel = new Tunnel();
  const relay = "ws://mf.test/tunnel";
  tunnel.bench.page("/7", { id: 7, name: "pc7", services: [], relay });
  await tunnel.run();
  expect([tunnel.outcome, tunnel.bench.dialed])
    .toEqual(["gatewayUntrusted", []]);
});
