import { expect, test } from "bun:test";
import { Fault, FAULTS } from "../../src/protocol/fault.ts";
import {
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
} from "../../src/protocol/stream_message.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import { JOINED_TEXT, RawBench } from "./stream_bench.ts";

const KIB = 1024;
const CREDIT = { type: "ack", offset: 0, "window_bytes": 8 * 1024 * KIB };

/** What a peer says that breaks the protocol, after `joined` or without it. */
const BREACHES: readonly [
  name: string,
  joined: boolean,
  messages: readonly (object | string | Uint8Array)[],
  code: keyof typeof FAULTS,
][] = [
  ["bytes before joined", false, [Uint8Array.of(1)], "messageUnexpected"],
  ["an ack before joined", false, [CREDIT], "messageUnexpected"],
  ["an end before joined", false, [
    { type: "end", offset: 0 },
  ], "messageUnexpected"],
  ["joined twice", true, [JOINED_TEXT], "messageUnexpected"],
  ["no JSON", true, ["hello"], "messageInvalid"],
  ["a control message", true, [
    { type: "drain", reconnect_within_ms: 1 },
  ], "messageInvalid"],
  ["a text of more than 4 KiB", true, ["x".repeat(4_097)], "messageTooLarge"],
  ["an ack of nothing sent", true, [
    { ...CREDIT, offset: 1 },
  ], "messageInvalid"],
  ["bytes after its end", true, [
    { type: "end", offset: 0 },
    Uint8Array.of(1),
  ], "messageUnexpected"],
  [
    "more bytes than its credit",
    true,
    [...Array(4).fill(new Uint8Array(64 * KIB)), Uint8Array.of(1)],
    "creditExceeded",
  ],
];

for (const [name, joined, messages, code] of BREACHES) {
  test(`runStream() ends with ${code} for a peer that says ${name}`, async () => {
    await using bench = new RawBench();
    bench.side.socket.script = { write: () => false };
    if (joined) await bench.join();
    else bench.start();
    for (const message of messages) await bench.say(message);
    expect(bench.side.ending).toBe(code);
    expect(bench.heardEnd?.code).toBe(FAULTS[code].closeCode);
    const reset = JSON.parse(String(bench.heard.at(-1)));
    expect([reset.type, reset.code]).toEqual(["reset", code]);
    expect(bench.side.socket.calls.at(-1)).toBe("reset");
  });
}

test("runStream() reads nothing of the program before it is joined", async () => {
  await using bench = new RawBench();
  bench.side.socket.say("early");
  bench.start();
  await settle();
  expect([bench.heard, bench.side.socket.isHandled]).toEqual([[], false]);
  await bench.say(JOINED_TEXT);
  expect(bench.heard).toEqual([new TextEncoder().encode("early")]);
});

test("runStream() gives up on a gateway that never joins, and tells it so", async () => {
  await using bench = new RawBench();
  bench.start();
  await bench.clock.advance(14_999);
  expect(bench.side.ending).toBe("not yet");
  await bench.clock.advance(1);
  expect(bench.side.ending).toBe("openTimedOut");
  expect(bench.heardEnd?.code).toBe(FAULTS.openTimedOut.closeCode);
  expect(bench.side.socket.calls).toEqual(["reset"]);
});

test("runStream() answers a heartbeat that asks, and no other", async () => {
  await using bench = new RawBench();
  const answers: string[] = [];
  bench.peer.handle({
    message: (message) => answers.push(String(message)),
    drain: () => undefined,
    closed: () => undefined,
  });
  await bench.join();
  await bench.say(HEARTBEAT_TEXT);
  expect(answers).toEqual([]);
  await bench.say(HEARTBEAT_ECHO_TEXT);
  expect(answers).toEqual([HEARTBEAT_TEXT]);
  expect(bench.side.ending).toBe("not yet");
});

test("runStream() holds no answers without end for a peer that asks and does not read", async () => {
  await using bench = new RawBench();
  await bench.join();
  bench.side.link.block();
  // Each answer takes 20 bytes: 100,000 would be 2 MB.
  for (let i = 0; i < 100_000; i++) bench.peer.send(HEARTBEAT_ECHO_TEXT);
  await settle();
  expect(bench.side.link.bufferedBytes).toBeGreaterThan(1024 * KIB);
  expect(bench.side.link.bufferedBytes).toBeLessThan(1025 * KIB);
  expect(bench.side.ending).toBe("not yet");
});

test("runStream() beats with the values that joined names", async () => {
  await using bench = new RawBench();
  let beatCount = 0;
  bench.peer.handle({
    message: (message) => beatCount += message === HEARTBEAT_TEXT ? 1 : 0,
    drain: () => undefined,
    closed: () => undefined,
  });
  bench.start();
  const values = { "interval_ms": 3_000, "timeout_ms": 9_000 };
  await bench.say(
    JOINED_TEXT.replace(/\{"interval.*?\}/, JSON.stringify(values)),
  );
  await bench.clock.advance(7_500);
  expect(beatCount).toBeGreaterThanOrEqual(2);
  await bench.clock.advance(3_000);
  expect(bench.side.ending).toBe("linkSilent");
});

test("runStream() asks its peer at once after the machine slept", async () => {
  await using bench = new RawBench();
  await bench.join();
  bench.clock.sleepMachine(3_600_000);
  await bench.clock.advance(1_500);
  expect(bench.heard).toEqual([HEARTBEAT_ECHO_TEXT]);
  await bench.clock.advance(3_500);
  expect(bench.side.ending).toBe("linkSilent");
});

test("runStream() lets its link go once it is over", async () => {
  await using bench = new RawBench();
  await bench.join();
  bench.links.wire.cut();
  await settle();
  const calls: string[] = [];
  bench.side.link.send = (message) => void calls.push(String(message));
  bench.side.link.terminate = () => void calls.push("terminate");
  await bench.clock.advance(10 * 60_000);
  expect(calls).toEqual([]);
});

test("runStream() ends when its link was already over, and leaves nothing behind", async () => {
  await using bench = new RawBench();
  bench.links.wire.cut();
  bench.start();
  await settle();
  expect(bench.side.ending).toBe("linkLost");
  expect(bench.side.socket.calls).toEqual(["reset"]);
  expect(abortListenerCount(bench.side.stop.signal)).toBe(0);
  expect(bench.clock.sleeperCount).toBe(1);
});

test("runStream() joins nobody when it was told to stop before", async () => {
  await using bench = new RawBench();
  bench.peer.send(JOINED_TEXT);
  await settle();
  const stopped = new Fault("agentStopping", "The agent is stopping");
  bench.side.stop.abort(stopped);
  bench.start();
  await settle();
  expect([bench.side.result?.fault, bench.side.joinedCount])
    .toEqual([stopped, 0]);
  expect(abortListenerCount(bench.side.stop.signal)).toBe(0);
});

test("runStream() takes no word for itself that comes after its goodbye", async () => {
  await using bench = new RawBench({ stepped: true });
  bench.start();
  bench.peer.send(JOINED_TEXT);
  bench.peer.send("no JSON at all");
  bench.side.stop.abort(new Fault("agentStopping", "The agent is stopping"));
  while (bench.links.wire.step()) await settle();
  await settle();
  expect([bench.side.ending, bench.side.joinedCount])
    .toEqual(["agentStopping", 0]);
  expect(bench.side.socket.isHandled).toBe(false);
});

test("runStream() holds no more than 1 MiB and a message for a link that takes nothing", async () => {
  await using bench = new RawBench();
  await bench.join();
  await bench.say(CREDIT);
  const { socket, link } = bench.side;
  link.block();
  for (let i = 0; i < 100; i++) socket.say(new Uint8Array(64 * KIB));
  await settle();
  expect(link.bufferedBytes).toBeGreaterThan(1024 * KIB);
  expect(link.bufferedBytes).toBeLessThanOrEqual(1088 * KIB);
  expect(socket.calls).toEqual(["pause"]);
  // What the peer says is still heard, and its bytes acknowledged.
  await bench.say(new Uint8Array(64 * KIB));
  expect(socket.received.byteLength).toBe(64 * KIB);
  link.unblock();
  await settle();
  expect(bench.heardBytes).toBe(100 * 64 * KIB);
  expect(socket.unreadCount).toBe(0);
});

test("runStream() returns only when the link has closed", async () => {
  await using bench = new RawBench();
  await bench.join();
  bench.side.socket.sayEnd();
  await bench.say({ type: "end", offset: 0 });
  bench.peer.pause();
  await bench.say({ ...CREDIT, offset: 1 });
  expect([bench.side.socket.isClosed, bench.side.link.state, bench.side.ending])
    .toEqual([true, "closing", "not yet"]);
  bench.peer.resume();
  await settle();
  expect([bench.side.ending, bench.heardEnd])
    .toEqual(["cleanly", { code: 1000, reason: "" }]);
});

test("runStream() takes a link that closes before both ends are heard for lost", async () => {
  await using bench = new RawBench();
  await bench.join();
  bench.side.socket.sayEnd();
  await settle();
  bench.peer.close(1000, "");
  await settle();
  expect(bench.side.ending).toBe("linkLost");
  expect(bench.side.socket.calls).toEqual(["reset"]);
});

test("runStream() says what the gateway said when it closes the link", async () => {
  await using bench = new RawBench();
  bench.start();
  bench.peer.close(4404, "Device 7 is offline");
  await settle();
  const { fault } = bench.side.result ?? {};
  expect([fault?.code, fault?.message])
    .toEqual(["deviceOffline", "Device 7 is offline"]);
});
