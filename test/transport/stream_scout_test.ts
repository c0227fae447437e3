import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { HEARTBEAT_TEXT } from "../../src/protocol/stream_message.ts";
import { settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";
import { joinedText } from "./resume_bench.ts";
import { ReturnBench } from "./return_bench.ts";

/** Until a link that never speaks is doubted. */
const DOUBTED_MS = 3_500;

/** An end that was joined, and whose heartbeats tick. */
class Bench extends ReturnBench implements AsyncDisposable {
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor() {
    super(0.5);
  }

  static async joined(): Promise<Bench> {
    const bench = new Bench();
    const { heartbeats } = bench.side;
    bench.#running = heartbeats &&
      rejection(heartbeats.run(bench.#stop.signal));
    await bench.join(1);
    return bench;
  }

  protected override prepare(): void {
    this.side.isScouting = true;
  }

  /** The gateway speaks over the link that was there first. */
  async sayOverFirst(text: string): Promise<void> {
    this.side.first.far.send(text);
    await settle();
  }

  /** The gateway lets each dial in, joins the ends, and says `news`. */
  rejoinAll(...news: Uint8Array[]): void {
    const { side } = this;
    side.dialed = (dial) => {
      const { far } = dial.accept();
      far.send(joinedText(side.dials.length + 1));
      far.send(JSON.stringify({ type: "resume", offset: 0 }));
      for (const bytes of news) far.send(bytes);
    };
  }

  get dialTimesMs(): number[] {
    return this.side.dials.map(({ atMs }) => atMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.side.stop.abort(new Fault("agentStopping", "Stop"));
    await settle();
    this.#stop.abort();
    await this.#running;
  }
}

test("a silent link is asked, then another is dialed beside it, and it is used if it stands first", async () => {
  await using bench = await Bench.joined();
  const { side } = bench;
  side.socket.say("lost on the way");
  await bench.clock.advance(DOUBTED_MS - 1);
  expect(side.dials).toEqual([]);
  await bench.clock.advance(1);
  expect(bench.dialTimesMs).toEqual([DOUBTED_MS]);
  expect(side.news).toEqual([]);
  await bench.accept();
  expect(side.news).toEqual(["lost linkSilent"]);
  await bench.join(2);
  await bench.say({ type: "resume", offset: 0 });
  expect(side.news).toEqual(["lost linkSilent", "back 0"]);
  expect(bench.heard).toEqual([
    JSON.stringify({ type: "resume", offset: 0 }),
    JSON.stringify({ type: "ack", offset: 0, window_bytes: 262_144 }),
    "lost on the way".length,
  ]);
  expect(bench.dialTimesMs).toEqual([DOUBTED_MS]);
  // The old one is gone, whatever it would still say.
  await bench.sayOverFirst(HEARTBEAT_TEXT);
  expect(side.ending).toBe("not yet");
});

test("a dead link makes others of its process suspect, which have 2 s to answer", async () => {
  await using bench = await Bench.joined();
  const events: string[] = [];
  const watch = bench.side.heartbeats?.watch({
    beat: (echo) => events.push(`${bench.clock.now()} ${echo}`),
    paused: () => false,
    silent: () => events.push(`${bench.clock.now()} silent`),
  }, { interval_ms: 20_000, timeout_ms: 42_000 });
  await bench.clock.advance(DOUBTED_MS);
  expect(events).toEqual([]);
  await bench.accept();
  expect(events).toEqual(["3500 true"]);
  await bench.clock.advance(5_000);
  expect(events).toEqual(["3500 true", "5500 silent"]);
  watch?.stop();
});

test("a link that speaks while another is dialed is kept", async () => {
  await using bench = await Bench.joined();
  await bench.clock.advance(DOUBTED_MS);
  await bench.sayOverFirst(HEARTBEAT_TEXT);
  expect(bench.side.lastDial.signal.aborted).toBe(true);
  const ends: number[] = [];
  const { far } = bench.side.lastDial.accept();
  far.handle({
    message: () => undefined,
    drain: () => undefined,
    closed: ({ code }) => ends.push(code),
  });
  await settle();
  expect([bench.side.news, bench.side.ending]).toEqual([[], "not yet"]);
  // It is doubted again when it is silent again.
  await bench.clock.advance(DOUBTED_MS);
  expect(bench.dialTimesMs.length).toBe(2);
});

test("an exchange after which nothing moved teaches patience", async () => {
  await using bench = await Bench.joined();
  const { side } = bench;
  bench.rejoinAll();
  await bench.clock.advance(60_000);
  // 2 s for an answer, and again, then 4, 8, 16, and no more.
  expect(bench.dialTimesMs)
    .toEqual([3_500, 6_500, 11_500, 20_500, 37_500, 54_500]);
  expect(side.ending).toBe("not yet");
});

test("an exchange after which bytes moved teaches nothing", async () => {
  await using bench = await Bench.joined();
  bench.rejoinAll(new Uint8Array(1));
  await bench.clock.advance(15_000);
  expect(bench.dialTimesMs).toEqual([3_500, 6_500, 9_500, 12_500]);
});

test("a dial beside a doubted link is repeated while it fails, and harmless when refused", async () => {
  await using bench = await Bench.joined();
  const { side } = bench;
  const faults = [
    ...["gatewayUnreachable", "gatewayUnreachable"] as const,
    "ticketInvalid" as const,
  ];
  side.dialed = (dial) => {
    dial.fail(new Fault(faults[side.dials.length - 1] ?? "internal", "No"));
  };
  await bench.clock.advance(DOUBTED_MS + 5_000);
  expect(bench.dialTimesMs).toEqual([3_500, 4_000, 4_500]);
  expect([side.news, side.ending]).toEqual([[], "not yet"]);
  await bench.sayOverFirst(HEARTBEAT_TEXT);
  expect(side.ending).toBe("not yet");
});

test("a doubted link that is lost by itself gives way to what was dialed beside it", async () => {
  await using bench = await Bench.joined();
  const { side } = bench;
  await bench.clock.advance(DOUBTED_MS);
  side.first.wire.cut();
  await settle();
  expect(side.news).toEqual(["lost linkLost"]);
  await bench.accept();
  await bench.join(2);
  await bench.say({ type: "resume", offset: 0 });
  expect(side.news).toEqual(["lost linkLost", "back 0"]);
  expect(bench.dialTimesMs).toEqual([DOUBTED_MS]);
});

test("a stream that ends while its link is doubted leaves no dial behind", async () => {
  const bench = await Bench.joined();
  await bench.clock.advance(DOUBTED_MS);
  await bench[Symbol.asyncDispose]();
  const { side } = bench;
  side.first.wire.cut();
  await settle();
  expect(side.lastDial.signal.aborted).toBe(true);
  expect(side.ending).toBe("agentStopping");
  bench.expectReleased();
});
