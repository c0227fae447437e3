import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import { PairBench, type StreamSide } from "./stream_bench.ts";

const MIB = 1024 * 1024;
const CHUNK_BYTES = 48 * 1024;

/** Bytes that differ from each other, the same every time. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

function sayAll({ socket }: StreamSide, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
    socket.say(bytes.subarray(at, at + CHUNK_BYTES));
  }
}

/** Nothing that a stream held is held any more. */
function expectReleased(bench: PairBench): void {
  for (const { socket, link, budget, stop } of [bench.near, bench.far]) {
    expect([socket.isClosed, link.state, budget.takenBytes])
      .toEqual([true, "closed", 0]);
    expect(abortListenerCount(stop.signal)).toBe(0);
  }
  // Only the heartbeats go on.
  expect(bench.clock.sleeperCount).toBe(1);
}

test("runStream() answers 10 MiB after the client has ended its side", async () => {
  await using bench = new PairBench();
  const { near, far } = bench;
  const answer = pattern(10 * MIB);
  far.socket.script = {
    end: () => {
      sayAll(far, answer);
      far.socket.sayEnd();
    },
  };
  near.socket.say("request");
  near.socket.sayEnd();
  while (near.ending === "not yet") await settle();
  await settle();
  expect(bench.endings).toEqual(["cleanly", "cleanly"]);
  expect(String(Buffer.from(far.socket.received))).toBe("request");
  expect(Buffer.compare(near.socket.received, answer)).toBe(0);
  expect([near.result, far.result]).toEqual([
    { sentBytes: 7, receivedBytes: 10 * MIB, fault: undefined },
    { sentBytes: 10 * MIB, receivedBytes: 7, fault: undefined },
  ]);
  expect([near.joinedCount, far.joinedCount]).toEqual([1, 1]);
  expect(far.socket.calls.filter((call) => call === "end")).toEqual(["end"]);
  expectReleased(bench);
});

test("runStream() lets a client go on after the service has ended its side", async () => {
  await using bench = new PairBench();
  const { near, far } = bench;
  far.socket.say("banner");
  far.socket.sayEnd();
  await settle();
  expect(near.socket.calls).toEqual(["end"]);
  expect(bench.endings).toEqual(["not yet", "not yet"]);
  // Without a time limit: hours later it is still open.
  await bench.clock.advance(3 * 3_600_000);
  near.socket.say(pattern(1_000));
  await settle();
  expect(far.socket.received).toEqual(pattern(1_000));
  near.socket.sayEnd();
  await settle();
  expect(bench.endings).toEqual(["cleanly", "cleanly"]);
  expectReleased(bench);
});

test("runStream() carries megabytes both ways at once", async () => {
  await using bench = new PairBench();
  const { near, far } = bench;
  const bytes = pattern(3 * MIB);
  for (const side of [near, far]) {
    sayAll(side, bytes);
    side.socket.sayEnd();
  }
  while (near.ending === "not yet") await settle();
  await settle();
  expect(bench.endings).toEqual(["cleanly", "cleanly"]);
  expect(Buffer.compare(near.socket.received, bytes)).toBe(0);
  expect(Buffer.compare(far.socket.received, bytes)).toBe(0);
  expectReleased(bench);
});

test("runStream() stops reading while the far program takes nothing for half an hour, and lives", async () => {
  await using bench = new PairBench();
  const { near, far } = bench;
  far.socket.script = { write: () => false };
  const bytes = pattern(2 * MIB);
  sayAll(near, bytes);
  near.socket.sayEnd();
  await bench.clock.advance(30 * 60_000);
  expect(far.socket.received.byteLength).toBe(256 * 1024);
  expect(near.socket.unreadCount).toBeGreaterThan(30);
  expect(bench.endings).toEqual(["not yet", "not yet"]);
  // Half-heartedly at first, one gulp at a time.
  for (let gulps = 0; far.socket.received.byteLength < 2 * MIB; gulps++) {
    expect(gulps).toBeLessThan(20);
    far.socket.drain();
    await settle();
  }
  expect(Buffer.compare(far.socket.received, bytes)).toBe(0);
  // The end comes after the last gulp, and not before.
  expect(far.socket.calls).toEqual([]);
  far.socket.drain();
  expect(far.socket.calls).toEqual(["end"]);
  far.socket.sayEnd();
  await settle();
  expect(bench.endings).toEqual(["cleanly", "cleanly"]);
});

for (const [who, other] of [["near", "far"], ["far", "near"]] as const) {
  test(`runStream() shows a reset on the ${who} side as a reset on the other`, async () => {
    await using bench = new PairBench();
    bench[who].socket.say("some");
    await settle();
    const fault = new Fault("streamReset", "It broke off the connection");
    bench[who].socket.breakOff(fault);
    await settle();
    expect(bench.endings).toEqual(["streamReset", "streamReset"]);
    expect(bench[other].result?.fault?.message).toBe(fault.message);
    expect(bench[other].socket.calls).toEqual(["reset"]);
    expectReleased(bench);
  });

  test(`runStream() tells the other side why the ${who} one was stopped`, async () => {
    await using bench = new PairBench();
    bench[other].socket.sayEnd();
    await settle();
    const fault = new Fault("agentStopping", "The agent is stopping");
    bench[who].stop.abort(fault);
    // At once, and without waiting for anybody.
    expect(bench[who].socket.calls).toEqual(["end", "reset"]);
    await settle();
    expect(bench.endings).toEqual(["agentStopping", "agentStopping"]);
    expect(bench[who].result?.fault).toBe(fault);
    expect(bench[other].result?.fault?.message).toBe(fault.message);
    expect(bench[other].socket.calls).toEqual(["reset"]);
    expectReleased(bench);
  });
}

test("runStream() takes a reset after an end for a reset", async () => {
  await using bench = new PairBench();
  const { near, far } = bench;
  near.socket.sayEnd();
  await settle();
  far.socket.breakOff(new Fault("streamReset", "It broke off"));
  await settle();
  expect(bench.endings).toEqual(["streamReset", "streamReset"]);
  expect(near.socket.calls).toEqual(["reset"]);
  expectReleased(bench);
});

test("runStream() finds a link dead that has gone silent, and breaks both off", async () => {
  await using bench = new PairBench();
  bench.near.socket.say("some");
  await bench.clock.advance(60_000);
  expect(bench.endings).toEqual(["not yet", "not yet"]);
  bench.links.wire.swallow();
  await bench.clock.advance(43_000);
  expect(bench.endings).toEqual(["not yet", "not yet"]);
  await bench.clock.advance(23_500);
  const { near, far } = bench;
  expect(bench.endings).toEqual(["linkSilent", "linkSilent"]);
  expect([near.socket.calls, far.socket.calls]).toEqual([["reset"], ["reset"]]);
  expectReleased(bench);
});
