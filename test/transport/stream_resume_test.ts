import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { joinedText } from "./resume_bench.ts";
import { joinedEnd, ReturnBench } from "./return_bench.ts";

const ABREAST_MS = 2_500;
const UNREACHABLE = new Fault("gatewayUnreachable", "Nobody is there");

for (const [random, share] of [[0, 0], [1 - 2 ** -32, 1]] as const) {
  test(`runStream() dials at once, then after ever longer waits, with random = ${share}`, async () => {
    const bench = await joinedEnd(random);
    bench.clock.sleptMs.length = 0;
    await bench.lose();
    const { dials, news } = bench.side;
    expect(dials.map(({ token, atMs }) => [token, atMs]))
      .toEqual([["token.1", 0]]);
    // Waits for the end of the detach time, and whether the dial hangs.
    expect(bench.clock.sleptMs).toEqual([60_000, ABREAST_MS]);
    bench.clock.sleptMs.length = 0;
    for (let i = 0; i < 8; i++) {
      bench.side.lastDial.fail(UNREACHABLE);
      await settle();
      await bench.clock.advance(2_000 * share);
    }
    const waits = [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000];
    const slept = bench.clock.sleptMs.filter((ms) => ms !== ABREAST_MS);
    expect(slept.map(Math.round))
      .toEqual(waits.map((ms) => ms * share));
    expect(dials.length).toBe(9);
    expect(news).toEqual(["lost peerGone"]);
    bench.side.stop.abort(new Fault("agentStopping", "Stop"));
    await settle();
    bench.expectReleased();
  });
}

test("runStream() ends as its link was lost when the detach time is over", async () => {
  const bench = await joinedEnd(0.5, 10_000);
  await bench.lose();
  bench.side.dialed = (dial) => dial.fail(UNREACHABLE);
  bench.side.lastDial.fail(UNREACHABLE);
  await bench.clock.advance(9_999);
  expect([bench.side.ending, bench.side.socket.calls]).toEqual(["not yet", []]);
  await bench.clock.advance(1);
  expect([bench.side.ending, bench.side.socket.calls])
    .toEqual(["peerGone", ["reset"]]);
  bench.expectReleased();
});

test("runStream() ends in time although a link waits to be joined, or a dial hangs", async () => {
  for (const isAccepted of [true, false]) {
    const bench = await joinedEnd(0.5, 3_000);
    await bench.lose(4002);
    if (isAccepted) await bench.accept();
    await bench.clock.advance(3_000);
    expect(bench.side.ending).toBe("gatewayDraining");
    expect(bench.side.lastDial.signal.aborted).toBe(true);
    if (isAccepted) expect(bench.ends).toEqual([4002, 4002]);
    bench.expectReleased();
  }
});

for (const code of ["ticketInvalid", "certificateRevoked"] as const) {
  test(`runStream() ends at once when a dial fails with ${code}`, async () => {
    const bench = await joinedEnd();
    await bench.lose();
    bench.side.lastDial.fail(new Fault(code, "Go away"));
    await settle();
    expect([bench.side.ending, bench.side.dials.length]).toEqual([code, 1]);
    bench.expectReleased();
  });
}

test("runStream() ends at once when the gateway says of a new link that it is no use", async () => {
  for (
    const [close, code] of [[4000, "agentStopping"], [4412, "ticketInvalid"]]
  ) {
    const bench = await joinedEnd();
    await bench.lose();
    await bench.accept();
    bench.peer.close(Number(close), "");
    await settle();
    expect([bench.side.ending, bench.side.dials.length])
      .toEqual([String(code), 1]);
    bench.expectReleased();
  }
});

test("runStream() ends as it always did without a token, or with no time to wait", async () => {
  const none = new ReturnBench(0.5);
  none.listen();
  const { resume_token: _, ...plain } = JSON.parse(joinedText(1));
  await none.say(plain);
  await none.lose();
  const zero = await joinedEnd(0.5, 0);
  await zero.lose();
  for (const { side } of [none, zero]) {
    expect([side.ending, side.dials.length, side.news])
      .toEqual(["peerGone", 0, []]);
  }
});

test("runStream() tries again when the other end is not back in time", async () => {
  const bench = await joinedEnd();
  await bench.lose();
  await bench.accept();
  await bench.clock.advance(2_000);
  bench.peer.close(4418, "");
  await settle();
  await bench.clock.advance(100);
  expect(bench.side.dials.length).toBe(2);
  await bench.rejoin(0);
  expect(bench.heard).toEqual([
    '{"type":"resume","offset":0}',
    '{"type":"ack","offset":0,"window_bytes":262144}',
  ]);
  expect(bench.side.news).toEqual(["lost peerGone", "back 2100"]);
});

test("runStream() dials again when a new link is neither joined nor closed for 4 s", async () => {
  const bench = await joinedEnd();
  await bench.lose();
  await bench.accept();
  await bench.clock.advance(3_999);
  expect(bench.side.dials.length).toBe(1);
  await bench.clock.advance(1);
  expect(bench.ends).toEqual([4003, 1006]);
  await bench.clock.advance(100);
  expect(bench.side.dials.length).toBe(2);
  await bench.rejoin(0);
  expect(bench.side.news).toEqual(["lost peerGone", "back 4100"]);
});

test("runStream() sends once more what the other end has not, and shows its newest token", async () => {
  const bench = await joinedEnd();
  bench.side.socket.say("0123456789");
  await settle();
  expect(bench.heard).toEqual([10]);
  await bench.lose();
  await bench.rejoin(4);
  expect(bench.heard.slice(2)).toEqual([6]);
  await bench.say({ type: "ack", offset: 10, window_bytes: 0 });
  await bench.lose();
  expect(bench.side.dials.map(({ token }) => token))
    .toEqual(["token.1", "token.2"]);
});

test("runStream() does not begin the detach time anew for links that are of no use", async () => {
  const bench = await joinedEnd(0.5, 10_000);
  await bench.lose();
  let rounds = 0;
  for (; bench.side.ending === "not yet"; rounds++) {
    await bench.rejoin(0);
    await bench.lose(4002);
    await bench.clock.advance(1_000);
  }
  expect([bench.side.ending, rounds]).toEqual(["peerGone", 10]);
  bench.expectReleased();
});

test("runStream() begins the detach time anew for a link that stood, or brought something", async () => {
  for (const brings of [true, false]) {
    const bench = await joinedEnd(0.5, 10_000);
    await bench.lose();
    await bench.clock.advance(9_000);
    await bench.rejoin(0);
    if (brings) await bench.say(new Uint8Array(1));
    else await bench.clock.advance(5_000);
    await bench.lose();
    await bench.clock.advance(9_000);
    expect([brings, bench.side.ending]).toEqual([brings, "not yet"]);
    await bench.clock.advance(1_000);
    expect([brings, bench.side.ending]).toEqual([brings, "peerGone"]);
  }
});

test("runStream() dials again when a dial that it gave up came late, and replaced its link", async () => {
  const bench = await joinedEnd(0);
  await bench.lose();
  await bench.accept();
  await bench.lose(4001);
  await bench.clock.advance(100);
  expect([bench.side.ending, bench.side.dials.length]).toEqual(["not yet", 2]);
  await bench.rejoin(0);
  await bench.lose(4001);
  expect(bench.side.ending).toBe("linkReplaced");
  bench.expectReleased();
});

test("runStream() comes again soon after it has waited in vain, and not after a link that ended at once", async () => {
  const bench = await joinedEnd(1 - 2 ** -32);
  await bench.lose();
  for (let count = 0; count < 4; count++) {
    bench.side.lastDial.fail(UNREACHABLE);
    await bench.clock.advance(2_000);
  }
  for (const [stoodMs, waitMs] of [[4_000, 100], [999, 200], [4_000, 100]]) {
    await bench.accept();
    await bench.clock.advance(stoodMs ?? 0);
    const { length } = bench.side.dials;
    await bench.lose(4418);
    await bench.clock.advance((waitMs ?? 0) - 1);
    expect([stoodMs, bench.side.dials.length]).toEqual([stoodMs, length]);
    await bench.clock.advance(1);
    expect([stoodMs, bench.side.dials.length])
      .toEqual([stoodMs, length + 1]);
  }
  bench.side.stop.abort(new Fault("agentStopping", "Stop"));
  await settle();
  bench.expectReleased();
});
