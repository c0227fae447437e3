import { expect, test } from "bun:test";
import {
  type AfterSleep,
  Heartbeats,
  type Watch,
} from "../../src/transport/heartbeats.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const VALUES = { "interval_ms": 20_000, "timeout_ms": 45_000 };

/** One watched link, and when what happened to it. */
class Watching implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly heartbeats: Heartbeats;
  readonly events: string[] = [];
  isPaused = false;
  /** What a peer does that is told to answer. */
  answers = false;
  network = "here";
  watch: Watch;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(afterSleep: AfterSleep, values = VALUES) {
    this.heartbeats = new Heartbeats(
      this.clock,
      afterSleep,
      () => this.network,
    );
    this.watch = this.heartbeats.watch({
      beat: (echo) => {
        this.#note(echo ? "asks" : "beats");
        if (echo && this.answers) this.watch.heard();
      },
      paused: () => this.isPaused,
      silent: (silentMs) => this.#note(`silent for ${silentMs}`),
    }, values);
    this.#running = rejection(this.heartbeats.run(this.#stop.signal));
  }

  /** Moves on; a peer that lives says something every `heardEveryMs`. */
  async live(ms: number, heardEveryMs: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += heardEveryMs) {
      await this.clock.advance(heardEveryMs);
      this.watch.heard();
    }
  }

  #note(event: string): void {
    this.events.push(`${this.clock.now()} ${event}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

/** Milliseconds of the first event that is as `name` says, or undefined. */
function timeOf(events: readonly string[], name: string): number | undefined {
  const event = events.find((event) => event.includes(name));
  return event === undefined ? undefined : Number(event.split(" ")[0]);
}

test("Heartbeats beat once in each interval, and never later", async () => {
  await using watching = new Watching("probe");
  await watching.live(10 * 60_000, 5_000);
  const times = watching.events.map((event) => Number(event.split(" ")[0]));
  expect(watching.events.every((event) => event.endsWith("beats"))).toBe(true);
  expect(times.length).toBeGreaterThanOrEqual(30);
  expect(times.length).toBeLessThanOrEqual(33);
  const gaps = times.map((time, i) => time - (times[i - 1] ?? 0));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(20_000);
});

test("Heartbeats find a silent peer dead after its timeout, not before, and once", async () => {
  await using watching = new Watching("probe");
  await watching.clock.advance(44_999);
  expect(timeOf(watching.events, "silent")).toBeUndefined();
  await watching.clock.advance(1_501);
  expect(timeOf(watching.events, "silent")).toBeLessThanOrEqual(46_500);
  await watching.clock.advance(300_000);
  const silences = watching.events.filter((event) => event.includes("silent"));
  expect(silences).toEqual(["45000 silent for 45000"]);
  expect(watching.events.at(-1)).toBe("45000 silent for 45000");
});

test("Heartbeats count a peer's silence from its last word", async () => {
  await using watching = new Watching("probe");
  await watching.live(60_000, 44_000);
  await watching.clock.advance(44_999);
  expect(timeOf(watching.events, "silent")).toBeUndefined();
  await watching.clock.advance(1_501);
  expect(timeOf(watching.events, "silent")).toBeGreaterThan(88_000 + 44_999);
});

test("Heartbeats never find a link dead whose own reader is paused", async () => {
  await using watching = new Watching("probe");
  watching.isPaused = true;
  await watching.clock.advance(10 * 60_000);
  expect(timeOf(watching.events, "silent")).toBeUndefined();
  expect(watching.events.length).toBeGreaterThanOrEqual(30);
  // From the moment that it reads again, the peer has its full time.
  watching.isPaused = false;
  await watching.clock.advance(44_000);
  expect(timeOf(watching.events, "silent")).toBeUndefined();
  await watching.clock.advance(3_000);
  expect(timeOf(watching.events, "silent")).toBeDefined();
});

test("Heartbeats ask at once after the machine slept, and find a silent peer dead in 5 s", async () => {
  // Whenever in a tick it falls asleep.
  for (const phaseMs of [0, 400, 600, 1_000]) {
    await using watching = new Watching("probe");
    await watching.live(10_000 + phaseMs, 10_000 + phaseMs);
    watching.clock.sleepMachine(8 * 3_600_000);
    const wokeAtMs = watching.clock.now();
    await watching.clock.advance(10_000);
    const askedMs = timeOf(watching.events, "asks") ?? Infinity;
    expect(askedMs - wokeAtMs).toBeLessThanOrEqual(1_500);
    const diedMs = timeOf(watching.events, "silent") ?? Infinity;
    expect(diedMs - wokeAtMs).toBeLessThanOrEqual(5_000);
    // An answer may take its two seconds, though.
    expect(diedMs - askedMs).toBeGreaterThanOrEqual(2_000);
  }
});

test("Heartbeats leave a peer alive that answers after the machine slept", async () => {
  await using watching = new Watching("probe");
  watching.answers = true;
  await watching.live(10_000, 5_000);
  watching.clock.sleepMachine(8 * 3_600_000);
  await watching.clock.advance(10_000);
  const asked = watching.events.filter((event) => event.includes("asks"));
  expect(asked.length).toBe(1);
  expect(timeOf(watching.events, "silent")).toBeUndefined();
});

test("Heartbeats let the answer decide when the sleep was longer than the timeout", async () => {
  // As where the monotonic clock counts sleep, or the process stood still.
  for (const answers of [true, false]) {
    await using watching = new Watching("probe");
    await watching.live(10_000, 5_000);
    await watching.clock.stall(10 * 60_000);
    const wokeAtMs = watching.clock.now();
    expect(watching.events.slice(-1)).toEqual([`${wokeAtMs} asks`]);
    if (answers) watching.watch.heard();
    await watching.clock.advance(5_000);
    const diedAtMs = timeOf(watching.events, "silent");
    if (answers) expect(diedAtMs).toBeUndefined();
    else expect(diedAtMs).toBeLessThanOrEqual(wokeAtMs + 5_000);
    expect(answers || diedAtMs !== undefined).toBe(true);
  }
});

test("Heartbeats ask at once after a change of address, and find a silent peer dead in 5 s", async () => {
  await using watching = new Watching("probe");
  await watching.live(30_000, 1_000);
  watching.network = "there";
  await watching.clock.advance(5_000);
  expect(watching.events.slice(-2)).toEqual([
    "31500 asks",
    "34500 silent for 4500",
  ]);
});

test("Heartbeats ask once, however often addresses change, and take any answer", async () => {
  await using watching = new Watching("probe");
  watching.network = "there";
  await watching.clock.advance(1_500);
  watching.network = "elsewhere";
  await watching.clock.advance(1_500);
  watching.watch.heard();
  await watching.clock.advance(10_000);
  expect(watching.events).toEqual(["1500 asks"]);
});

test("Heartbeats of a gateway give each peer its full time again after a sleep", async () => {
  await using watching = new Watching("forgive");
  await watching.live(10_000, 5_000);
  // And somebody has set the wall clock back meanwhile.
  watching.clock.sleepMachine(-10 * 60_000);
  await watching.clock.stall(10 * 60_000);
  const wokeAtMs = watching.clock.now();
  await watching.clock.advance(44_000);
  expect(timeOf(watching.events, "asks")).toBeUndefined();
  expect(timeOf(watching.events, "silent")).toBeUndefined();
  await watching.clock.advance(3_000);
  expect(timeOf(watching.events, "silent")).toBeGreaterThanOrEqual(
    wokeAtMs + 45_000,
  );
});

test("Heartbeats take a wall clock that jumps back, or a little, for no sleep", async () => {
  await using watching = new Watching("probe");
  watching.clock.sleepMachine(-24 * 3_600_000);
  await watching.live(6_000, 3_000);
  watching.clock.sleepMachine(2_900);
  await watching.live(6_000, 3_000);
  expect(watching.events).toEqual([]);
});

test("Heartbeats forget a link whose watch was stopped", async () => {
  await using watching = new Watching("probe");
  watching.watch.stop();
  await watching.clock.advance(120_000);
  expect(watching.events).toEqual([]);
});

test("Heartbeats leave a link alone that another's silence has stopped", async () => {
  await using watching = new Watching("probe");
  const called: string[] = [];
  const watched = (name: string, silent: () => void) => ({
    beat: () => called.push(`${name} beats`),
    paused: () => false,
    silent: () => {
      called.push(`${name} silent`);
      silent();
    },
  });
  const values = { "interval_ms": 600_000, "timeout_ms": 3_000 };
  const { heartbeats, clock } = watching;
  heartbeats.watch(watched("first", () => second.stop()), values);
  const second = heartbeats.watch(watched("second", () => undefined), values);
  await clock.advance(10_000);
  expect(called).toEqual(["first silent"]);
});

test("Heartbeats.run() wakes once in a tick, however many links there are", async () => {
  await using watching = new Watching("probe");
  const { heartbeats, clock } = watching;
  for (let i = 0; i < 1_000; i++) {
    heartbeats.watch({
      beat: () => undefined,
      paused: () => false,
      silent: () => undefined,
    }, VALUES);
  }
  await clock.advance(15_000);
  expect(clock.sleptMs).toEqual(Array(11).fill(1_500));
});

test("Heartbeats.run() ends at once with the reason when it is told to stop", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  const running = rejection(new Heartbeats(clock, "probe").run(stop.signal));
  await settle();
  stop.abort(stopped);
  expect(await running).toBe(stopped);
  expect(clock.sleeperCount).toBe(0);
});
