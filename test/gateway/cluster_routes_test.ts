import { expect, test } from "bun:test";
import { FORWARDED_HEADER } from "../../src/gateway/statement.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";
import { FakeSession } from "./cluster_bench.ts";
import {
  Arrival,
  CALLER,
  connect,
  dialing,
  forwarding,
  GATEWAY_1,
  GATEWAY_2,
  GONE,
  twoGateways,
  WISH,
} from "./routes_bench.ts";

test("connect() carries a link to where the device is, and says there who calls", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  const arrival = new Arrival();
  two.answers.push(arrival.onward.atGateway);
  const carried = connect(two, arrival);
  await forwarding(two);
  arrival.onward.own.send("joined");
  await settle();
  expect(arrival.end.heard).toEqual(["joined"]);
  arrival.end.own.close(1000, "");
  expect(await carried).toBe(true);
  const target = "/tunnel/connect?device=7&service=ssh";
  const [{ url, headers } = { url: "", headers: {} as never }] = two.dialed;
  expect(url).toBe(`ws://10.0.0.1:8080${target}`);
  expect(Object.keys(headers)).toEqual([FORWARDED_HEADER]);
  const statement = headers[FORWARDED_HEADER] ?? "";
  expect(await one.cluster.statements.read(statement, target))
    .toEqual({ ...CALLER, isForwarded: true });
  expect(two.log.lines.slice(2)).toEqual([
    `forward.open {"gatewayId":"${GATEWAY_1}","path":"/tunnel/connect",` +
    '"address":"192.0.2.7"}',
    `forward.close {"gatewayId":"${GATEWAY_1}","path":"/tunnel/connect",` +
    '"address":"192.0.2.7","ms":0,"bytesIn":0,"bytesOut":0,"code":"ok"}',
  ]);
});

test("connect() leaves here what is here, is nowhere, or was carried already", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  expect(await connect(one, new Arrival())).toBe(false);
  const forwarded = new Arrival({ ...CALLER, isForwarded: true });
  expect(await connect(two, forwarded)).toBe(false);
  const { routes } = two.cluster;
  const arrival = new Arrival();
  const wish = { ...WISH, deviceId: 99 };
  expect(await routes.connect(arrival, wish, arrival.signal)).toBe(false);
  expect([one.dialed, two.dialed]).toEqual([[], []]);
});

test("connect() waits 4 s for a device whose gateway has died, and no longer", async () => {
  const { site, two } = await twoGateways();
  await using _site = site;
  const refused = rejection(connect(two, new Arrival()));
  await dialing(two);
  await site.clock.advance(3_999);
  expect(await Promise.race([refused, "waiting"])).toBe("waiting");
  await site.clock.advance(250);
  expect(await refused).toMatchObject({
    code: "deviceOffline",
    message: "Device 7 was at a gateway that does not answer any more",
  });
  expect(two.dialed.length).toBe(1);
});

test("connect() follows a device that comes back, here or to a third gateway", async () => {
  const { site, two } = await twoGateways();
  await using _site = site;
  const three = await site.gateway(3);
  const arrival = new Arrival();
  two.answers.push(GONE, arrival.onward.atGateway);
  const carried = connect(two, arrival);
  await dialing(two);
  three.cluster.attached(new FakeSession(7));
  await site.clock.advance(250);
  await forwarding(two);
  arrival.end.own.close(1000, "");
  expect(await carried).toBe(true);
  expect(two.dialed.map(({ url }) => new URL(url).host))
    .toEqual(["10.0.0.1:8080", "10.0.0.3:8080"]);
  two.answers.push(GONE);
  const back = connect(two, new Arrival());
  await dialing(two, 3);
  two.cluster.attached(new FakeSession(7));
  await site.clock.advance(250);
  expect(await back).toBe(false);
});

test("connect() does not dial a gateway that has left, once that is known", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  await one.cluster.leave();
  for (let count = 0; count < 2; count++) {
    const refused = rejection(connect(two, new Arrival()));
    await dialing(two);
    await site.clock.advance(4_250);
    expect(await refused).toMatchObject({ code: "deviceOffline" });
  }
  expect(two.dialed.length).toBe(1);
});

test("connect() passes on what the other gateway says of the handshake", async () => {
  const { site, two } = await twoGateways();
  await using _site = site;
  const full = new Fault("quotaExceeded", "Too many links");
  two.answers.push(full);
  expect(await rejection(connect(two, new Arrival()))).toBe(full);
});

test("connect() says so when nobody can tell where the device is", async () => {
  const { site, two } = await twoGateways();
  await using _site = site;
  site.store.isAway = true;
  expect(await rejection(connect(two, new Arrival()))).toMatchObject({
    code: "deviceOffline",
    message: "Cannot tell where device 7 is: Redis does not answer",
  });
});

test("a link that is carried ends with its caller's certificate", async () => {
  const { site, two } = await twoGateways();
  await using _site = site;
  const certificate = { subject: {}, rejection: undefined, notAfterMs: 0 };
  const arrival = new Arrival(
    { ...CALLER, certificate: { ...certificate, raw: new Uint8Array() } },
    () => {
      throw new Fault("certificateRevoked", "It was revoked");
    },
  );
  two.answers.push(arrival.onward.atGateway);
  const carried = connect(two, arrival);
  await forwarding(two);
  expect(arrival.openLinks.sweep()).toBe(1);
  expect(await carried).toBe(true);
  await settle();
  expect([arrival.end.end?.code, arrival.onward.end?.code])
    .toEqual([4405, 4405]);
});

test("stream() carries an agent's link to the gateway that its ticket names", async () => {
  const { site, one, two } = await twoGateways();
  await using _site = site;
  const { routes } = two.cluster;
  const arrival = new Arrival();
  const { signal } = arrival;
  const ticket = `${GATEWAY_1}.${"ab".repeat(32)}`;
  for (const own of ["ab".repeat(32), `${GATEWAY_2}.ab`, "", "x.y"]) {
    expect(await routes.stream(arrival, own, signal)).toBe(false);
  }
  two.answers.push(arrival.onward.atGateway);
  const carried = routes.stream(arrival, ticket, signal);
  await forwarding(two);
  arrival.onward.own.close(4412, "Cannot join tunnel: ticket not valid");
  expect(await carried).toBe(true);
  await settle();
  expect(arrival.end.end?.code).toBe(4412);
  expect(two.dialed).toMatchObject([{
    url: "ws://10.0.0.1:8080/tunnel/stream",
    headers: { Authorization: `Bearer ${ticket}` },
  }]);
  expect(await rejection(routes.stream(new Arrival(), ticket, signal)))
    .toMatchObject({ code: "peerGone" });
  const { routes: others } = one.cluster;
  expect(await others.stream(new Arrival(), ticket, signal)).toBe(false);
});
