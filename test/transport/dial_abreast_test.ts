import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { dialAbreast } from "../../src/transport/dial_abreast.ts";
import type { Link } from "../../src/transport/link.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";
import { Dial } from "./resume_bench.ts";

const UNREACHABLE = new Fault("gatewayUnreachable", "Nobody is there");

class Bench {
  readonly clock = new ManualClock();
  readonly stop = new AbortController();
  readonly dials: Dial[] = [];
  readonly link: Promise<Link>;

  constructor() {
    this.link = dialAbreast(
      (signal) => {
        const dial = new Dial("", signal, this.clock.now());
        this.dials.push(dial);
        return dial.outcome;
      },
      this.clock,
      this.stop.signal,
    );
    this.link.catch(() => undefined); // The test looks at it later.
  }

  get timesMs(): number[] {
    return this.dials.map(({ atMs }) => atMs);
  }

  async expectReleased(): Promise<void> {
    await settle();
    expect(this.clock.sleeperCount).toBe(0);
    expect(abortListenerCount(this.stop.signal)).toBe(0);
  }
}

test("dialAbreast() returns the link of a dial that stands, and dials no more", async () => {
  const bench = new Bench();
  const links = bench.dials[0]?.accept();
  expect(await bench.link).toBe(links?.near as Link);
  await bench.expectReleased();
  await bench.clock.advance(10_000);
  expect(bench.timesMs).toEqual([0]);
});

test("dialAbreast() dials again beside what hangs, four at most", async () => {
  const bench = new Bench();
  await bench.clock.advance(20_000);
  expect(bench.timesMs).toEqual([0, 2_500, 5_000, 7_500]);
  bench.dials[0]?.fail(UNREACHABLE);
  await bench.clock.advance(2_500);
  expect(bench.timesMs.at(-1)).toBe(22_500);
  const links = bench.dials[2]?.accept();
  expect(await bench.link).toBe(links?.near as Link);
  await bench.expectReleased();
  expect(bench.dials.map(({ signal }) => signal.aborted))
    .toEqual([true, true, true, true, true]);
});

test("dialAbreast() closes what stands in the same turn as another", async () => {
  const bench = new Bench();
  await bench.clock.advance(2_500);
  const [first, second] = bench.dials.map((dial) => dial.accept());
  expect(await bench.link).toBe(first?.near as Link);
  second?.far.handle({
    message: () => undefined,
    drain: () => undefined,
    closed: () => undefined,
  });
  await settle();
  expect([first?.near.state, second?.near.state]).toEqual(["open", "closing"]);
});

test("dialAbreast() fails when all that it dialed have failed, or one for good", async () => {
  const refused = new Fault("ticketInvalid", "Not yours");
  for (const [fault, count] of [[UNREACHABLE, 2], [refused, 1]] as const) {
    const bench = new Bench();
    await bench.clock.advance(2_500);
    bench.dials[0]?.fail(fault);
    await settle();
    if (count === 2) bench.dials[1]?.fail(fault);
    expect(await rejection(bench.link)).toBe(fault);
    await bench.expectReleased();
  }
});

test("dialAbreast() stops at once when it is told to", async () => {
  const bench = new Bench();
  await bench.clock.advance(2_500);
  const reason = new Fault("agentStopping", "It stops");
  bench.stop.abort(reason);
  expect(await rejection(bench.link)).toBe(reason);
  await bench.expectReleased();
  const late = dialAbreast(
    () => Promise.reject(new Error("Nobody dials")),
    bench.clock,
    bench.stop.signal,
  );
  expect(await rejection(late)).toBe(reason);
});
