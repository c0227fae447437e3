import { expect, test } from "bun:test";
import {
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
} from "../../src/protocol/stream_message.ts";
import { settle } from "../support/manual_clock.ts";
import { RelayBench, startedRelay, type TunnelEnd } from "./relay_bench.ts";

const KIB = 1024;
const CHUNK_BYTES = 64 * KIB;

function chunk(value: number): Uint8Array {
  return new Uint8Array(CHUNK_BYTES).fill(value);
}

/** The first byte of each chunk: enough to see order and loss. */
function values({ heard }: TunnelEnd): (number | string | undefined)[] {
  return heard.map((message) =>
    typeof message === "string" ? message : message[0]
  );
}

test("relay() forwards bytes and texts in order, both ways, and counts bytes", async () => {
  await using bench = startedRelay();
  const { operator, agent } = bench;
  const said = [
    "a",
    Uint8Array.of(1),
    "b",
    Uint8Array.of(),
    Uint8Array.of(2, 3),
  ];
  for (const message of said) {
    operator.own.send(message);
    agent.own.send(message);
  }
  agent.own.send(new Uint8Array(100));
  await settle();
  expect(agent.heard).toEqual(said);
  expect(operator.heard).toEqual([...said, new Uint8Array(100)]);
  operator.own.close(1000, "");
  await settle();
  expect(bench.result)
    .toEqual({
      upBytes: 3,
      downBytes: 103,
      fault: undefined,
      isFinished: true,
    });
});

test("relay() forwards what came before it began", async () => {
  await using bench = new RelayBench();
  bench.operator.own.send("early");
  bench.agent.own.send(Uint8Array.of(7));
  await settle();
  bench.start();
  await settle();
  expect([bench.agent.heard, bench.operator.heard])
    .toEqual([["early"], [Uint8Array.of(7)]]);
});

test("relay() takes out the two heartbeat texts and nothing else", async () => {
  await using bench = startedRelay();
  const others = [
    '{"type": "heartbeat"}',
    '{"type":"heartbeat","echo":false}',
    '{"echo":true,"type":"heartbeat"}',
    " " + HEARTBEAT_TEXT,
    "",
    new TextEncoder().encode(HEARTBEAT_TEXT),
    new TextEncoder().encode(HEARTBEAT_ECHO_TEXT),
  ];
  for (const message of [HEARTBEAT_TEXT, ...others, HEARTBEAT_ECHO_TEXT]) {
    bench.agent.own.send(message);
  }
  await settle();
  expect(bench.operator.heard).toEqual(others);
  // Who asked is answered, by the gateway.
  expect(bench.agent.heard).toEqual([HEARTBEAT_TEXT]);
});

test("relay() beats towards both ends, and keeps what is alive", async () => {
  await using bench = startedRelay();
  for (let i = 0; i < 20; i++) {
    bench.operator.own.send(HEARTBEAT_TEXT);
    bench.agent.own.send(HEARTBEAT_TEXT);
    await bench.clock.advance(20_000);
  }
  expect(bench.ending).toBe("not yet");
  for (const { heard } of [bench.operator, bench.agent]) {
    expect(heard.length).toBeGreaterThanOrEqual(20);
    expect(new Set(heard)).toEqual(new Set([HEARTBEAT_TEXT]));
  }
});

for (
  const [fast, slow] of [["operator", "agent"], ["agent", "operator"]] as const
) {
  test(`relay() pauses the ${fast} at 1 MiB while the ${slow} does not read, loses nothing`, async () => {
    await using bench = startedRelay();
    const [sender, reader] = [bench[fast], bench[slow]];
    reader.own.pause();
    for (let i = 0; i < 160; i++) sender.own.send(chunk(i));
    await settle();
    const held = reader.atGateway.bufferedBytes;
    expect(held).toBeGreaterThan(1024 * KIB);
    expect(held).toBeLessThanOrEqual(1024 * KIB + CHUNK_BYTES);
    expect(sender.atGateway.isPaused).toBe(true);
    // The sender feels it: what it sends stays with it.
    expect(sender.own.bufferedBytes).toBeGreaterThan(8_000 * KIB);
    reader.own.resume();
    await settle();
    expect(values(reader)).toEqual(Array.from({ length: 160 }, (_, i) => i));
    expect(sender.atGateway.isPaused).toBe(false);
    expect(bench.ending).toBe("not yet");
  });

  test(`relay() lets the ${slow} speak while it does not read, for hours`, async () => {
    await using bench = startedRelay();
    const [sender, reader] = [bench[fast], bench[slow]];
    reader.own.pause();
    for (let i = 0; i < 160; i++) sender.own.send(chunk(i));
    await settle();
    // The paused side proves nothing by silence; the other one beats.
    for (let minutes = 0; minutes < 120; minutes++) {
      reader.own.send(`minute ${minutes}`);
      await bench.clock.advance(30_000);
      reader.own.send(HEARTBEAT_TEXT);
      await bench.clock.advance(30_000);
    }
    expect(bench.ending).toBe("not yet");
    const spoken = sender.heard.filter((message) => message !== HEARTBEAT_TEXT);
    expect(spoken.length).toBe(120);
    expect(spoken.at(-1)).toBe("minute 119");
    // And is itself kept alive, though its own words cannot come through.
    expect(sender.heard.length).toBeGreaterThanOrEqual(120 + 360);
    expect(reader.atGateway.bufferedBytes).toBeLessThan(1100 * KIB);
  });
}
