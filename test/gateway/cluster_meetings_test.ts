import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import {
  Arrival,
  forwarding,
  GATEWAY_1,
  GATEWAY_2,
  GONE,
  MEETING,
  resume,
  TUNNEL,
  twoGateways,
} from "./routes_bench.ts";

test("resume() gives a tunnel to the first gateway that an end comes to", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  expect(await resume(one, new Arrival())).toBe(false);
  using _held = one.cluster.routes.hold(TUNNEL, () => false);
  const arrival = new Arrival();
  two.answers.push(arrival.onward.atGateway);
  const carried = resume(two, arrival);
  await forwarding(two);
  expect(two.dialed).toMatchObject([{
    url: "ws://10.0.0.1:8080/tunnel/resume",
    headers: { Authorization: "Bearer token" },
  }]);
  arrival.end.own.close(1000, "");
  expect(await carried).toBe(true);
});

test("resume() asks nobody while an end of the tunnel is here", async () => {
  const { site, one } = await twoGateways();
  await using _site = site;
  using _held = one.cluster.routes.hold(TUNNEL, () => false);
  await settle();
  const { askedCount } = site.store;
  site.store.isAway = true;
  expect(await resume(one, new Arrival())).toBe(false);
  expect(site.store.askedCount).toBe(askedCount);
});

test("resume() takes a tunnel over from a gateway that has died", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  expect(await resume(one, new Arrival())).toBe(false);
  two.answers.push(GONE);
  expect(await resume(two, new Arrival())).toBe(false);
  expect(await site.store.holders([MEETING])).toEqual([GATEWAY_2]);
});

test("resume() brings both ends to one gateway while the store is away", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  site.store.isAway = true;
  const homes = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const tunnel = count.toString(16).padStart(32, "0");
    const carried: string[] = [];
    for (const [bench, other] of [[one, two], [two, one]] as const) {
      const arrival = new Arrival();
      bench.answers.push(arrival.onward.atGateway);
      const { routes } = bench.cluster;
      const serving = routes.resume(arrival, tunnel, "token", arrival.signal);
      arrival.onward.own.close(1000, "");
      if (await serving) carried.push(other.cluster.gatewayId);
      else bench.answers.pop();
    }
    // One of the two keeps what comes to it; the other carries it there.
    expect(carried.length).toBe(1);
    homes.add(String(carried));
  }
  expect(homes.size).toBe(2);
});

test("resume() does without a gateway that does not answer while the store is away", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  site.store.isAway = true;
  for (const bench of [one, two]) {
    expect(await resume(bench, new Arrival())).toBe(false);
  }
  expect(one.dialed.length + two.dialed.length).toBe(1);
});

test("hold() keeps a tunnel until its last link has left, and renews it", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  const first = one.cluster.routes.hold(TUNNEL, () => false);
  const second = one.cluster.routes.hold(TUNNEL, () => false);
  await site.clock.advance(300_000);
  first[Symbol.dispose]();
  await settle();
  expect(await site.store.holders([MEETING])).toEqual([GATEWAY_1]);
  second[Symbol.dispose]();
  await settle();
  expect(await site.store.holders([MEETING])).toEqual([undefined]);
  expect(await resume(two, new Arrival())).toBe(false);
});

test("hold() leaves behind, for a minute, where a tunnel has finished", async () => {
  const { site, one } = await twoGateways();
  await using _site = site;
  one.cluster.routes.hold(TUNNEL, () => true)[Symbol.dispose]();
  await settle();
  expect(await site.store.holders([MEETING])).toEqual([GATEWAY_1]);
  await site.clock.advance(60_000);
  expect(await site.store.holders([MEETING])).toEqual([undefined]);
});
