import { expect, test } from "bun:test";
import { Doubt, type Traffic } from "../../src/transport/doubt.ts";

const TICK_MS = 500;
const BULK_BYTES = 8 * 1024;

/** A link that is looked at every {@linkcode TICK_MS}. */
class Bench {
  nowMs = 0;
  traffic: Traffic = { sentBytes: 0, receivedBytes: 0, replayBytes: 0 };
  patience = 1;
  /** What happens in each tick, before the link is looked at. */
  each: () => void = () => undefined;
  /** What was thought, and when. */
  readonly events: string[] = [];
  readonly doubt: Doubt;

  constructor() {
    this.doubt = new Doubt({
      traffic: () => this.traffic,
      patience: () => this.patience,
      doubted: (ms) => this.#note(`doubted, silent for ${ms}`),
      trusted: () => this.#note("trusted"),
    }, 0);
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += TICK_MS;
      this.each();
      if (this.doubt.tick(this.nowMs)) this.#note("asked");
    }
  }

  hear(isAnswer = false): void {
    this.doubt.heard(this.nowMs, isAnswer);
  }

  /** Sends bytes that nobody acknowledges. */
  send(bytes: number): void {
    const { receivedBytes, replayBytes, sentBytes } = this.traffic;
    this.traffic = {
      receivedBytes,
      sentBytes: sentBytes + bytes,
      replayBytes: replayBytes + bytes,
    };
  }

  receive(bytes: number): void {
    const receivedBytes = this.traffic.receivedBytes + bytes;
    this.traffic = { ...this.traffic, receivedBytes };
    this.hear();
  }

  acknowledge(bytes: number): void {
    const replayBytes = this.traffic.replayBytes - bytes;
    this.traffic = { ...this.traffic, replayBytes };
    this.hear();
  }

  #note(event: string): void {
    this.events.push(`${this.nowMs} ${event}`);
  }
}

test("Doubt asks a silent link once, and doubts it when no answer comes", () => {
  const bench = new Bench();
  bench.pass(60_000);
  expect(bench.events).toEqual(["1000 asked", "3000 doubted, silent for 3000"]);
});

test("Doubt trusts a link again that answers, and begins anew", () => {
  const bench = new Bench();
  bench.pass(1_500);
  bench.hear(true);
  bench.pass(3_000);
  bench.hear(true);
  bench.hear(true);
  expect(bench.events).toEqual([
    "1000 asked",
    "2500 asked",
    "4500 doubted, silent for 3000",
    "4500 trusted",
  ]);
});

test("Doubt takes no word for an answer while what we say is not acknowledged", () => {
  const bench = new Bench();
  bench.send(5);
  bench.each = () => bench.receive(1);
  bench.pass(10_000);
  expect(bench.events).toEqual(["1000 asked", "3000 doubted, silent for 0"]);
  bench.hear(true);
  expect(bench.events.at(-1)).toBe("10000 trusted");
});

test("Doubt takes an acknowledgement for an answer", () => {
  const bench = new Bench();
  bench.each = () => {
    bench.send(2);
    bench.acknowledge(1);
  };
  bench.pass(60_000);
  expect(bench.events).toEqual([]);
});

test("Doubt asks nothing while it hears, and has nothing to say", () => {
  const bench = new Bench();
  bench.each = () => bench.receive(100);
  bench.pass(60_000);
  expect(bench.events).toEqual([]);
});

test("Doubt leaves a stream that rests alone for longer", () => {
  const bench = new Bench();
  bench.each = () => bench.hear();
  bench.pass(30_000);
  bench.each = () => undefined;
  expect(bench.events).toEqual([]);
  bench.pass(12_000);
  expect(bench.events)
    .toEqual(["36000 asked", "38000 doubted, silent for 8000"]);
});

test("Doubt gives an answer more time beside bulk, and much while bulk comes in", () => {
  const silent = new Bench();
  silent.receive(BULK_BYTES);
  silent.pass(10_500);
  expect(silent.events).toEqual([
    "1000 asked",
    "9000 doubted, silent for 9000",
  ]);
  const loud = new Bench();
  loud.send(5);
  loud.each = () => loud.receive(BULK_BYTES);
  loud.pass(30_000);
  expect(loud.events).toEqual(["1000 asked", "21000 doubted, silent for 0"]);
});

test("Doubt is as patient as it was taught", () => {
  const bench = new Bench();
  bench.patience = 4;
  bench.pass(20_000);
  expect(bench.events).toEqual(["1000 asked", "9000 doubted, silent for 9000"]);
});

test("Doubt begins anew after a sleep", () => {
  const bench = new Bench();
  bench.pass(1_500);
  bench.nowMs += 3_600_000;
  bench.doubt.forgive(bench.nowMs);
  bench.pass(1_500);
  expect(bench.events.length).toBe(1);
});
