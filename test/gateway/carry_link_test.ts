import { expect, test } from "bun:test";
import { carryLink } from "../../src/gateway/carry_link.ts";
import type { RelayResult } from "../../src/gateway/relay.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { TunnelEnd } from "./relay_bench.ts";

const OPEN_TIMEOUT_MS = 12_000;

/** A caller's link that is carried to another gateway. */
class CarryBench {
  readonly clock = new ManualClock();
  readonly caller = new TunnelEnd();
  readonly gateway = new TunnelEnd();
  readonly stop = new AbortController();
  result: RelayResult | undefined;

  constructor() {
    void carryLink(
      this.caller.atGateway,
      this.gateway.atGateway,
      OPEN_TIMEOUT_MS,
      {
        clock: this.clock,
        heartbeats: new Heartbeats(this.clock, "forgive"),
        heartbeat: { "interval_ms": 20_000, "timeout_ms": 45_000 },
      },
      this.stop.signal,
    ).then((result) => this.result = result);
  }

  /** Both links are gone, and nothing is left behind. */
  expectOver(caller: number, gateway: number, code: string | undefined): void {
    expect([this.caller.end?.code, this.gateway.end?.code])
      .toEqual([caller, gateway]);
    expect(this.result?.fault?.code).toEqual(code as never);
    expect(this.clock.sleeperCount).toBe(0);
    expect(abortListenerCount(this.stop.signal)).toBe(0);
  }
}

test("carryLink() passes all on once the other gateway has joined, in order", async () => {
  const bench = new CarryBench();
  const { caller, gateway } = bench;
  gateway.own.send('{"type":"joined"}');
  gateway.own.send("second");
  gateway.own.send(new Uint8Array(3));
  await settle();
  expect(caller.heard).toEqual([
    '{"type":"joined"}',
    "second",
    new Uint8Array(3),
  ]);
  caller.own.send("answer");
  caller.own.send(new Uint8Array(5));
  await settle();
  expect(gateway.heard).toEqual(["answer", new Uint8Array(5)]);
  caller.own.close(1000, "");
  await settle();
  bench.expectOver(1000, 1000, undefined);
  expect(bench.result).toMatchObject({ upBytes: 5, downBytes: 3 });
});

test("carryLink() tells the caller how the other gateway refuses, in its words", async () => {
  const bench = new CarryBench();
  bench.gateway.own.close(4415, "Device 7 offers no service");
  await settle();
  expect(bench.caller.end)
    .toEqual({ code: 4415, reason: "Device 7 offers no service" });
  bench.expectOver(4415, 4415, "serviceUnknown");
});

test("carryLink() passes on that the tunnel has finished already", async () => {
  const bench = new CarryBench();
  bench.gateway.own.close(1000, "");
  await settle();
  bench.expectOver(1000, 1000, undefined);
});

test("carryLink() makes of a gateway that breaks off, early or late, one to come back from", async () => {
  const early = new CarryBench();
  early.gateway.own.terminate();
  await settle();
  expect(early.caller.end).toEqual({
    code: 4003,
    reason: "The other gateway broke off",
  });
  const late = new CarryBench();
  late.gateway.own.send("joined");
  await settle();
  late.gateway.own.terminate();
  await settle();
  expect(late.caller.end?.code).toBe(4003);
});

test("carryLink() does not tell a caller that it is a forger, when gateways disagree", async () => {
  const bench = new CarryBench();
  bench.gateway.own.close(4411, "Cannot believe");
  await settle();
  expect(bench.caller.end).toEqual({
    code: 4424,
    reason: "The other gateway does not believe this one: compare their clocks",
  });
});

test("carryLink() does not wait for ever for the other gateway", async () => {
  const bench = new CarryBench();
  await bench.clock.advance(OPEN_TIMEOUT_MS - 1);
  expect(bench.result).toBeUndefined();
  await bench.clock.advance(1);
  bench.expectOver(4418, 4418, "openTimedOut");
});

test("carryLink() leaves when the caller does, or speaks too soon", async () => {
  const left = new CarryBench();
  left.caller.own.close(1000, "");
  await settle();
  expect(left.gateway.end?.code).toBe(4420);
  const spoke = new CarryBench();
  spoke.caller.own.send("me first");
  await settle();
  spoke.expectOver(4409, 4409, "messageUnexpected");
});

test("carryLink() closes both when it is stopped, before and after the join", async () => {
  for (const isJoined of [false, true]) {
    const bench = new CarryBench();
    if (isJoined) bench.gateway.own.send("joined");
    await settle();
    bench.stop.abort(new Fault("gatewayDraining", "Stopping"));
    await settle();
    bench.expectOver(4002, 4002, "gatewayDraining");
  }
});
