import { expect, test } from "bun:test";
import { GatewayDial } from "../../src/agent/gateway_dial.ts";
import type { ProtocolSetting } from "../../src/agent/ports.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { memoryLinks } from "../support/memory_link.ts";
import { rejection } from "../support/rejection.ts";

const HOUR_MS = 3_600_000;

function bench(protocol: ProtocolSetting = "auto") {
  const clock = new ManualClock();
  const never = new AbortController().signal;
  const world = {
    clock,
    url: "wss://relay.test/tunnel",
    /** What a handshake with protocol 2 comes to. */
    fault: new Fault("versionUnsupported", "No subprotocol") as
      | Fault
      | undefined,
    asked: [] as string[],
    dial: async () => (await dial.dial(never)).protocol,
    forget: () => dial.forget(),
  };
  const dial = new GatewayDial({ deviceId: 7, protocol }, {
    clock,
    findGateway: () => Promise.resolve(world.url),
    dial: ({ headers, subprotocol }) => {
      expect(headers).toEqual({ "X-Agent-ID": "7" });
      world.asked.push(subprotocol ?? "none");
      return subprotocol !== undefined && world.fault
        ? Promise.reject(world.fault)
        : Promise.resolve(memoryLinks().near);
    },
  });
  return world;
}

const V2 = "migasfree.control.v2";

test("GatewayDial asks for protocol 2, and for protocol 1 where it is not chosen", async () => {
  const world = bench();
  expect(await world.dial()).toBe(1);
  expect(world.asked).toEqual([V2, "none"]);
});

test("GatewayDial remembers for an hour that a gateway speaks protocol 1", async () => {
  const world = bench();
  await world.dial();
  await world.clock.advance(HOUR_MS - 1);
  expect(await world.dial()).toBe(1);
  expect(world.asked).toEqual([V2, "none", "none"]);
  await world.clock.advance(1);
  await world.dial();
  expect(world.asked.slice(3)).toEqual([V2, "none"]);
});

test("GatewayDial asks another gateway, and one that it is told of, afresh", async () => {
  const world = bench();
  await world.dial();
  world.url = "wss://other.test/tunnel";
  await world.dial();
  expect(world.asked).toEqual([V2, "none", V2, "none"]);
  world.forget();
  world.fault = undefined;
  expect(await world.dial()).toBe(2);
});

test("GatewayDial takes no other fault for an old gateway", async () => {
  const world = bench();
  world.fault = new Fault("gatewayUnreachable", "Nobody there");
  expect(await rejection(world.dial())).toBe(world.fault);
  expect(world.asked).toEqual([V2]);
});

test("GatewayDial speaks only what the configuration says", async () => {
  const old = bench("1");
  expect(await old.dial()).toBe(1);
  expect(old.asked).toEqual(["none"]);
  const young = bench("2");
  expect(await rejection(young.dial())).toBe(young.fault);
  expect(young.asked).toEqual([V2]);
});
