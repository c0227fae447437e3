import { expect, test } from "bun:test";
import { AgentRest } from "../../src/cli/agent_rest.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";

const TUNNEL = {
  id: "t1",
  service: "ssh",
  operator: "alice",
  sinceMs: 0,
  detachedSinceMs: undefined,
};

function resting() {
  const clock = new ManualClock();
  const done: string[] = [];
  const rest = new AgentRest({
    clock,
    allowJit: () => void done.push("allowJit"),
    spareJit: () => void done.push("spareJit"),
    holdBallast: () => void done.push("holdBallast"),
    dropBallast: () => void done.push("dropBallast"),
    collectGarbage: () => void done.push("collectGarbage"),
    shrinkHeap: () => void done.push("shrinkHeap"),
    giveBackPages: () => void done.push("giveBackPages"),
  });
  return { clock, done, rest };
}

test("AgentRest makes an agent small some seconds after its start, once", async () => {
  const { clock, done, rest } = resting();
  await clock.advance(9_999);
  rest.show({ tunnels: [] });
  expect(done).toEqual([]);
  await clock.advance(1);
  expect(done).toEqual(["spareJit", "dropBallast", "shrinkHeap"]);
  await clock.advance(1_000);
  expect(done).toEqual([
    "spareJit",
    "dropBallast",
    "shrinkHeap",
    "giveBackPages",
  ]);
  await clock.advance(86_400_000);
  rest.show({ tunnels: [] });
  expect(done.length).toBe(4);
});

test("AgentRest lets code be compiled as soon as there is a tunnel", async () => {
  const { clock, done, rest } = resting();
  rest.show({ tunnels: [TUNNEL] });
  expect(done).toEqual(["allowJit", "holdBallast"]);
  rest.show({ tunnels: [TUNNEL, { ...TUNNEL, id: "t2" }] });
  await clock.advance(86_400_000);
  expect(done).toEqual(["allowJit", "holdBallast"]);
});

test("AgentRest rests again after the last tunnel, unless one comes before", async () => {
  const { clock, done, rest } = resting();
  rest.show({ tunnels: [TUNNEL] });
  rest.show({ tunnels: [] });
  await clock.advance(5_000);
  rest.show({ tunnels: [TUNNEL] });
  await clock.advance(10_000);
  expect(done).toEqual(["allowJit", "holdBallast", "allowJit", "holdBallast"]);
  rest.show({ tunnels: [] });
  await clock.advance(10_000);
  rest.show({ tunnels: [TUNNEL] });
  await clock.advance(10_000);
  await settle();
  expect(done.slice(4)).toEqual([
    "spareJit",
    "dropBallast",
    "shrinkHeap",
    "allowJit",
    "holdBallast",
  ]);
});

test("AgentRest collects garbage after each 128 tunnels, however they overlap", () => {
  const { done, rest } = resting();
  const other = { ...TUNNEL, id: "t2" };
  for (let ended = 0; ended < 127; ended++) {
    rest.show({ tunnels: [TUNNEL, other] });
    rest.show({ tunnels: [TUNNEL] });
  }
  expect(done).toEqual(["allowJit", "holdBallast"]);
  rest.show({ tunnels: [] });
  expect(done.at(-1)).toBe("collectGarbage");
});
