import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import {
  type JoinResult,
  joinSockets,
} from "../../src/transport/join_sockets.ts";
import { V1_DIALECTS } from "../../src/transport/v1_dialect.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { V1Bench } from "./v1_bench.ts";

/** A local program joined to the tunnel `t` of an agent, or an operator. */
class JoinBench extends V1Bench {
  readonly local = new MemorySocket();
  readonly stop = new AbortController();
  result: JoinResult | undefined;

  constructor(side: "agentToGateway" | "operatorToGateway" = "agentToGateway") {
    super(V1_DIALECTS[side]);
    const tunnel = this.link.openTunnel("t");
    void joinSockets(this.local, tunnel, this.clock, this.stop.signal)
      .then((result) => this.result = result);
  }

  hearClose(): void {
    this.hear({ type: "close_tcp_tunnel", tunnel_id: "t" });
  }
}

test("joinSockets() carries bytes both ways until the peer closes and the program has ended", async () => {
  const bench = new JoinBench();
  bench.local.say("abc");
  bench.hearData("t", new Uint8Array(5));
  await bench.settle();
  expect(bench.said).toMatchObject([{ data: "616263" }]);
  expect(bench.local.received.byteLength).toBe(5);
  bench.hearClose();
  await bench.settle();
  expect([bench.local.calls, bench.result]).toEqual([
    ["end", "resume"],
    undefined,
  ]);
  bench.local.sayEnd();
  await bench.settle();
  expect(bench.result).toEqual({
    sentBytes: 3,
    receivedBytes: 5,
    fault: undefined,
  });
  // The peer has closed it: it needs no telling.
  expect(bench.saidTypes()).toEqual(["tunnel_data"]);
  expect(bench.clock.sleeperCount).toBe(0);
  expect(abortListenerCount(bench.stop.signal)).toBe(0);
});

test("joinSockets() says the last bytes of a service before its end, and closes at once", async () => {
  const bench = new JoinBench();
  bench.local.say("last");
  bench.local.sayEnd();
  await bench.settle();
  expect(bench.saidTypes()).toEqual(["tunnel_data", "close_tunnel"]);
  await bench.settle();
  expect(bench.result).toMatchObject({ sentBytes: 4, fault: undefined });
});

test("joinSockets() brings an operator what the service says after its own end", async () => {
  const bench = new JoinBench("operatorToGateway");
  bench.local.sayEnd();
  await bench.clock.advance(1_000);
  bench.hearData("t", new Uint8Array(9));
  await bench.clock.advance(1_999);
  expect([bench.local.received.byteLength, bench.saidTypes()]).toEqual([9, []]);
  await bench.clock.advance(1);
  expect(bench.saidTypes()).toEqual(["close_tunnel"]);
  expect(bench.result).toMatchObject({ receivedBytes: 9, fault: undefined });
});

test("joinSockets() lets the tunnel wait for a program that takes no more", async () => {
  const bench = new JoinBench();
  bench.local.script = { write: () => false };
  bench.hearData("t", new Uint8Array(1));
  bench.hearData("t", new Uint8Array(2));
  await bench.settle();
  expect(bench.local.received.byteLength).toBe(1);
  bench.local.script = {};
  bench.local.drain();
  await bench.settle();
  expect(bench.local.received.byteLength).toBe(3);
});

test("joinSockets() lets the program wait for a tunnel that takes no more", async () => {
  const bench = new JoinBench();
  bench.near.block();
  const chunk = new Uint8Array(64 * 1024);
  for (let at = 0; at < 20; at++) bench.local.say(chunk);
  expect(bench.local.unreadCount).toBe(12);
  bench.near.unblock();
  await bench.settle();
  expect([bench.local.unreadCount, bench.said.length]).toEqual([0, 20]);
});

test("joinSockets() tells the peer when the program breaks off", async () => {
  const bench = new JoinBench();
  bench.local.breakOff(new Fault("streamReset", "Connection reset"));
  await bench.settle();
  expect(bench.saidTypes()).toEqual(["close_tunnel"]);
  expect(bench.result?.fault?.message).toBe("Connection reset");
});

test("joinSockets() breaks the program off when the link is lost", async () => {
  const bench = new JoinBench();
  bench.far.terminate();
  await bench.settle();
  expect(bench.result?.fault?.code).toBe("linkLost");
  expect(bench.local.calls).toContain("reset");
});

for (const when of ["at once", "later"]) {
  test(`joinSockets() breaks both off when it is told to stop ${when}`, async () => {
    const bench = new JoinBench();
    if (when === "later") await bench.settle();
    bench.stop.abort(new Fault("agentStopping", "Bye"));
    await bench.settle();
    expect(bench.result?.fault?.code).toBe("agentStopping");
    expect(bench.local.isClosed).toBe(true);
    expect(bench.saidTypes()).toEqual(["close_tunnel"]);
    expect(bench.clock.sleeperCount).toBe(0);
  });
}

test("joinSockets() ends a program that speaks on to nobody", async () => {
  const bench = new JoinBench();
  bench.hearClose();
  await bench.settle();
  bench.local.say("anybody?");
  await bench.settle();
  expect(bench.local.isClosed).toBe(true);
  expect(bench.result).toEqual({
    sentBytes: 0,
    receivedBytes: 0,
    fault: undefined,
  });
});

test("joinSockets() lets a program that speaks on read first what had come", async () => {
  const bench = new JoinBench();
  bench.local.script = { write: () => false };
  bench.hearData("t", new Uint8Array(4));
  bench.hearClose();
  await bench.settle();
  bench.local.say("busy");
  await bench.settle();
  expect(bench.result).toBeUndefined();
  // It takes all, and hears of the end.
  bench.local.drain();
  await bench.settle();
  bench.local.sayEnd();
  await bench.settle();
  expect(bench.result).toMatchObject({ receivedBytes: 4, fault: undefined });
});

test("joinSockets() gives a program a minute to end", async () => {
  const bench = new JoinBench();
  bench.hearClose();
  await bench.clock.advance(59_999);
  expect(bench.result).toBeUndefined();
  await bench.clock.advance(1);
  expect(bench.result?.fault).toBeUndefined();
  expect(bench.local.isClosed).toBe(true);
});
