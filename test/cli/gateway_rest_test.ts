import { expect, test } from "bun:test";
import { GatewayRest } from "../../src/cli/gateway_rest.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

/** A gateway's rest, and when it did what. */
function makeRest() {
  const clock = new ManualClock();
  const events: string[] = [];
  const note = (event: string) => () => {
    events.push(`${clock.now()} ${event}`);
  };
  const rest = new GatewayRest({
    clock,
    holdBallast: note("holds ballast"),
    dropBallast: note("drops ballast"),
    collectGarbage: note("collects"),
    shrinkHeap: note("shrinks"),
    giveBackPages: note("gives back"),
  });
  const stop = new AbortController();
  const gateway = { tunnelCount: 0 };
  const running = rejection(rest.run(gateway, stop.signal));
  const come = (count: number) => {
    for (let index = 0; index < count; index++) rest.agentCame();
  };
  const end = async () => {
    stop.abort();
    await running;
  };
  return { clock, come, end, events, gateway, rest };
}

test("GatewayRest collects while many agents come, and shrinks once when no more do", async () => {
  const { clock, come, end, events } = makeRest();
  come(127);
  await clock.advance(4_000);
  come(130);
  await clock.advance(60_000);
  expect(events).toEqual([
    "4000 collects",
    "4000 collects",
    "10000 shrinks",
    "11000 gives back",
  ]);
  come(1);
  await clock.advance(60_000);
  expect(events.length).toBe(4);
  await end();
});

test("GatewayRest leaves the heap alone for a few agents, and until the last tunnel has gone", async () => {
  const { clock, come, end, events, gateway } = makeRest();
  come(127);
  await clock.advance(60_000);
  gateway.tunnelCount = 1;
  come(1);
  await clock.advance(60_000);
  expect(events).toEqual(["60000 collects"]);
  gateway.tunnelCount = 0;
  await clock.advance(6_000);
  expect(events)
    .toEqual(["60000 collects", "125000 shrinks", "126000 gives back"]);
  await end();
});

test("GatewayRest holds ballast while tunnels are open, and a moment longer", async () => {
  const { clock, end, events, gateway, rest } = makeRest();
  gateway.tunnelCount = 1;
  rest.tunnelOpened();
  await clock.advance(60_000);
  gateway.tunnelCount = 0;
  await clock.advance(60_000);
  expect(events).toEqual(["0 holds ballast", "65000 drops ballast"]);
  await end();
});
