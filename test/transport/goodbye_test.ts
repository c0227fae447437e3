import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { ResumeGateway } from "./resume_bench.ts";
import { joinedEnd, type ReturnBench } from "./return_bench.ts";

const LAST_WORD =
  '{"type":"ack","offset":3,"window_bytes":262144,"complete":true}';

/** An end that is complete, and does not know yet whether the other one is. */
async function unsureEnd(detachMs?: number): Promise<ReturnBench> {
  const bench = await joinedEnd(0.5, detachMs);
  bench.side.socket.sayEnd();
  await bench.say({ type: "ack", offset: 1, window_bytes: 0 });
  await bench.say(new Uint8Array(2), { type: "end", offset: 2 });
  expect(bench.heard.at(-1)).toBe(LAST_WORD);
  return bench;
}

test("an end that is complete says goodbye when it hears that the other one is", async () => {
  const bench = await unsureEnd();
  expect([bench.side.ending, bench.ends]).toEqual(["not yet", []]);
  await bench.say({ type: "ack", offset: 1, window_bytes: 0 });
  expect([bench.side.ending, bench.ends]).toEqual(["not yet", []]);
  await bench.say({ type: "ack", offset: 1, window_bytes: 0, complete: true });
  expect([bench.side.ending, bench.ends]).toEqual(["cleanly", [1000]]);
  bench.expectReleased();
});

test("an end that is complete takes the other's goodbye for its answer", async () => {
  const bench = await unsureEnd();
  await bench.lose(1000);
  expect([bench.side.ending, bench.side.dials.length]).toEqual(["cleanly", 0]);
  bench.expectReleased();
});

test("an end that heard that the other one is complete says goodbye at once", async () => {
  const bench = await joinedEnd();
  bench.side.socket.sayEnd();
  await bench.say({ type: "end", offset: 0 });
  await bench.say({ type: "ack", offset: 1, window_bytes: 0, complete: true });
  expect(bench.heard).toEqual([
    '{"type":"end","offset":0}',
    '{"type":"ack","offset":1,"window_bytes":262144}',
  ]);
  expect([bench.side.ending, bench.ends]).toEqual(["cleanly", [1000]]);
  bench.expectReleased();
});

test("an end that waits for the other's word dials when its link is lost", async () => {
  const bench = await unsureEnd();
  await bench.lose();
  expect([bench.side.ending, bench.side.dials.length]).toEqual(["not yet", 1]);
  await bench.rejoin(1);
  expect(bench.heard.at(-1)).toBe(LAST_WORD.replace("262144", "0"));
  await bench.lose(1000);
  expect(bench.side.ending).toBe("cleanly");
  bench.expectReleased();
});

test("an end waits no longer for the other's word than it would linger", async () => {
  const bench = await unsureEnd();
  await bench.clock.advance(39_999);
  await bench.say({ type: "heartbeat" });
  await bench.clock.advance(20_000);
  expect([bench.side.ending, bench.ends]).toEqual(["not yet", []]);
  await bench.clock.advance(1);
  expect([bench.side.ending, bench.ends]).toEqual(["cleanly", [1000]]);
  bench.expectReleased();
});

test("an end that waits for the other's word leaves at once when it is stopped", async () => {
  const bench = await unsureEnd();
  bench.side.stop.abort(new Fault("agentStopping", "It stops"));
  await settle();
  expect([bench.side.ending, bench.ends]).toEqual(["cleanly", [1000]]);
  bench.expectReleased();
});

test("an end that cannot come back waits for nobody's word", async () => {
  const bench = await joinedEnd(0.5, 0);
  bench.side.socket.sayEnd();
  await bench.say({ type: "end", offset: 0 });
  await bench.say({ type: "ack", offset: 1, window_bytes: 0 });
  expect([bench.side.ending, bench.ends]).toEqual(["cleanly", [1000]]);
  bench.expectReleased();
});

test("an end that waits for the other's word answers heartbeats, and takes nothing else", async () => {
  const bench = await unsureEnd();
  await bench.say({ type: "heartbeat", echo: true }, new Uint8Array(9));
  await bench.say({ type: "end", offset: 2 }, { type: "resume", offset: 0 });
  expect([bench.side.ending, bench.side.result]).toEqual([
    "not yet",
    undefined,
  ]);
  await bench.lose(1000);
  expect(bench.side.result)
    .toEqual({ sentBytes: 0, receivedBytes: 2, fault: undefined });
  bench.expectReleased();
});

test("two ends end cleanly when the last word is lost and the gateway killed before it could pass it on", async () => {
  const clock = new ManualClock();
  const gateway = new ResumeGateway(clock);
  const { far, near } = gateway;
  // The near end's last word is swallowed on its way from the gateway.
  near.socket.script = { end: () => far.first.wire.swallow() };
  far.socket.script = { end: () => far.socket.sayEnd() };
  near.socket.sayEnd();
  gateway.begin();
  await clock.advance(3_000);
  // Far notices the silence; of gateways, none knows the tunnel.
  gateway.kill();
  far.first.wire.cut();
  await clock.advance(5_000);
  expect([near.ending, far.ending]).toEqual(["cleanly", "cleanly"]);
});
