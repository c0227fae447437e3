import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { WINDOW_MAX_BYTES } from "../../src/protocol/limits.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { WorldSide, WRITE_MAX_BYTES } from "./stream_world.ts";

const SCHEDULE_COUNT = 10_000;
const SEED = Number(process.env["STREAM_SEED"] ?? 1);
const BUDGET_MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 120_000;

/** One life of a stream, in an order that `seed` alone decides. */
class Schedule {
  readonly #random: SeededRandom;
  readonly #budget = new WindowBudget(BUDGET_MAX_BYTES);
  readonly near = new WorldSide("near", this.#budget);
  readonly far = new WorldSide("far", this.#budget);
  readonly #breaks: boolean;
  #nowMs = 0;
  /** Whether a window became larger than the first one. */
  grew = false;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#breaks = this.#random.chance(0.2);
  }

  run(): void {
    const actionCount = 5 + this.#random.below(200);
    for (let i = 0; i < actionCount; i++) this.#act();
    this.#drain();
    this.#check();
  }

  #act(): void {
    const random = this.#random;
    const [side, peer] = random.chance(0.5)
      ? [this.near, this.far]
      : [this.far, this.near];
    this.#nowMs += random.chance(0.5) ? random.next() * 20 : 0;
    const choice = random.below(100);
    if (choice < 30) this.#write(side);
    else if (choice < 75) this.#arrive(side, peer, 1 + random.below(6));
    else if (choice < 82) side.takes = !side.takes;
    else if (choice < 90) side.take(this.#nowMs);
    else if (choice < 96) side.end.linkReady(random.chance(0.5));
    else if (choice < 98) side.endWriting();
    else if (this.#breaks) side.end.localFailed(new Fault("streamReset", "x"));
    this.#checkBounds(side);
  }

  #write(side: WorldSide): void {
    // A program that is paused may have a last chunk under way.
    if (side.isPaused && !this.#random.chance(0.1)) return;
    const isLong = this.#random.chance(0.4);
    side.write(this.#random.below(isLong ? WRITE_MAX_BYTES + 1 : 2_000));
  }

  #arrive(side: WorldSide, peer: WorldSide, count: number): void {
    for (let i = 0; i < count; i++) {
      if (!side.hear(peer, this.#nowMs)) return;
      this.#checkBounds(side);
    }
  }

  /** Everything that holds the stream back is over; both programs end. */
  #drain(): void {
    const sides = [this.near, this.far];
    for (const side of sides) {
      side.takes = true;
      side.end.linkReady(true);
      side.endWriting();
    }
    for (let moved = true; moved;) {
      this.#nowMs++;
      for (const side of sides) side.take(this.#nowMs);
      const nearHeard = this.near.hear(this.far, this.#nowMs);
      moved = this.far.hear(this.near, this.#nowMs) || nearHeard;
    }
  }

  #checkBounds(side: WorldSide): void {
    const untakenBytes = side.receivedBytes - side.takenBytes;
    expect(untakenBytes).toBeLessThanOrEqual(WINDOW_MAX_BYTES);
    if (!side.isOver) {
      expect(untakenBytes).toBeLessThanOrEqual(side.end.counts.windowBytes);
    }
    expect(this.#budget.takenBytes).toBeLessThanOrEqual(BUDGET_MAX_BYTES);
    this.grew ||= this.#budget.takenBytes > 0;
  }

  #check(): void {
    const { near, far } = this;
    const codes = [near, far].map(({ finishes }) =>
      finishes.map((fault) => fault?.code ?? "cleanly")
    );
    // A side that broke off too late for the other to hear is broken alone.
    const isBroken = codes.flat().includes("streamReset");
    const allowed = isBroken ? ["cleanly", "streamReset"] : ["cleanly"];
    for (const [code, ...more] of codes) {
      expect(more).toEqual([]);
      expect(allowed).toContain(code ?? "never");
    }
    expect(this.#budget.takenBytes).toBe(0);
    if (isBroken) {
      // What came is a prefix of what was sent: compared byte by byte above.
      expect(near.receivedBytes).toBeLessThanOrEqual(far.writtenBytes);
      expect(far.receivedBytes).toBeLessThanOrEqual(near.writtenBytes);
      return;
    }
    expect([near.takenBytes, far.takenBytes, near.heardEnd, far.heardEnd])
      .toEqual([far.writtenBytes, near.writtenBytes, true, true]);
    expect([near.isPaused, far.isPaused]).toEqual([false, false]);
  }
}

test(
  `Two stream ends keep every promise in ${SCHEDULE_COUNT} random orders of events`,
  () => {
    let cleanCount = 0;
    let pausedCount = 0;
    let grownCount = 0;
    for (let run = 0; run < SCHEDULE_COUNT; run++) {
      const seed = SEED + run;
      const schedule = new Schedule(seed);
      try {
        schedule.run();
      } catch (error) {
        throw new Error(`Bug at STREAM_SEED=${seed}`, { cause: error });
      }
      const { near, far } = schedule;
      if (!near.finishes[0] && !far.finishes[0]) cleanCount++;
      if (near.pauseCount + far.pauseCount > 0) pausedCount++;
      if (schedule.grew) grownCount++;
    }
    // The schedules are worth something: each of these is met many times.
    expect(cleanCount).toBeGreaterThan(SCHEDULE_COUNT / 2);
    expect(SCHEDULE_COUNT - cleanCount).toBeGreaterThan(SCHEDULE_COUNT / 10);
    expect(pausedCount).toBeGreaterThan(SCHEDULE_COUNT / 2);
    expect(grownCount).toBeGreaterThan(SCHEDULE_COUNT / 10);
  },
  TIMEOUT_MS,
);
