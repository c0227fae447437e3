import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { joinedEnd } from "./return_bench.ts";

const UNREACHABLE = new Fault("gatewayUnreachable", "Nobody is there");
const STOP = new Fault("agentStopping", "The agent is stopping");

test("runStream() stops at once while it waits, dials, or is not joined yet", async () => {
  for (const moment of ["waiting", "dialing", "joining", "resuming"]) {
    const bench = await joinedEnd();
    await bench.lose();
    if (moment === "waiting") bench.side.lastDial.fail(UNREACHABLE);
    if (moment === "joining" || moment === "resuming") await bench.accept();
    if (moment === "resuming") await bench.join(2);
    await settle();
    bench.side.stop.abort(STOP);
    await settle();
    expect([moment, bench.side.ending, bench.side.result?.fault])
      .toEqual([moment, "agentStopping", STOP]);
    if (moment === "resuming") expect(bench.ends.at(-1)).toBe(4000);
    bench.expectReleased();
  }
});

test("runStream() dials at once after a drain, as after every other loss", async () => {
  for (const code of [4002, 4003, 4408, 4420, 1006]) {
    const bench = await joinedEnd();
    await bench.lose(code);
    expect([code, bench.side.dials.map(({ atMs }) => atMs)])
      .toEqual([code, [0]]);
    // The next ones are spread, whatever it was.
    bench.side.lastDial.fail(UNREACHABLE);
    await settle();
    expect([bench.side.dials.length, bench.clock.sleptMs.at(-1)])
      .toEqual([1, 0.5 * 100]);
    bench.side.stop.abort(STOP);
    await settle();
    bench.expectReleased();
  }
});

test("runStream() closes a link that stood in the turn in which it was stopped", async () => {
  const bench = await joinedEnd();
  await bench.lose();
  const { far } = bench.side.lastDial.accept();
  bench.side.stop.abort(STOP);
  bench.listen();
  await settle();
  expect([bench.side.ending, far.state, bench.ends.at(-1)])
    .toEqual(["agentStopping", "closed", 4000]);
  bench.expectReleased();
});

test("runStream() tells after the resume that the program broke off meanwhile", async () => {
  const bench = await joinedEnd();
  await bench.lose();
  bench.side.socket.breakOff(new Fault("streamReset", "It broke off"));
  await settle();
  expect(bench.side.ending).toBe("not yet");
  await bench.rejoin(0);
  expect(bench.heard).toEqual([
    '{"type":"resume","offset":0}',
    '{"type":"reset","code":"streamReset","message":"It broke off"}',
  ]);
  expect([bench.side.ending, bench.ends.at(-1)]).toEqual(["streamReset", 4417]);
  bench.expectReleased();
});

test("runStream() is complete when a goodbye meets it that has all", async () => {
  const bench = await joinedEnd();
  bench.side.socket.say("abc");
  bench.side.socket.sayEnd();
  await bench.say(new Uint8Array(2), { type: "end", offset: 2 });
  await bench.lose();
  await bench.accept();
  bench.peer.close(1000, "");
  await settle();
  expect([bench.side.ending, bench.side.socket.calls])
    .toEqual(["cleanly", ["end"]]);
  bench.expectReleased();
});

test("runStream() fails at once when a goodbye meets it that has not all", async () => {
  for (const isJoined of [false, true]) {
    const bench = await joinedEnd();
    bench.side.socket.say("abc");
    await bench.say(new Uint8Array(2), { type: "end", offset: 2 });
    await bench.lose();
    await bench.accept();
    if (isJoined) await bench.join(2);
    bench.peer.close(1000, "");
    await settle();
    expect([bench.side.ending, bench.side.dials.length])
      .toEqual(["linkLost", 1]);
    expect(bench.side.socket.calls).toEqual(["end", "reset"]);
    bench.expectReleased();
  }
});

test("runStream() tells an other end that resumes where it cannot be", async () => {
  const bench = await joinedEnd();
  await bench.lose();
  await bench.rejoin(1);
  expect(bench.heard).toEqual([
    '{"type":"resume","offset":0}',
    '{"type":"reset","code":"messageInvalid","message":"Cannot resume at an offset not sent"}',
  ]);
  expect([bench.side.ending, bench.ends.at(-1)])
    .toEqual(["messageInvalid", 4400]);
  bench.expectReleased();
});

test("runStream() ends when something comes before the resume, or a resume too many", async () => {
  const early = [new Uint8Array(1), { type: "end", offset: 0 }];
  for (const message of early) {
    const bench = await joinedEnd();
    await bench.lose();
    await bench.accept();
    await bench.join(2);
    await bench.say(message);
    expect([bench.side.ending, bench.ends.at(-1)])
      .toEqual(["messageUnexpected", 4409]);
    bench.expectReleased();
  }
  const first = await joinedEnd();
  await first.say({ type: "resume", offset: 0 });
  expect(first.side.ending).toBe("messageUnexpected");
  const bench = await joinedEnd();
  await bench.lose();
  await bench.rejoin(0);
  await bench.say({ type: "resume", offset: 0 });
  expect(bench.side.ending).toBe("messageUnexpected");
  bench.expectReleased();
});
