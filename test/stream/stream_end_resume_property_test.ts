import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import {
  STREAM_MESSAGE_MAX_BYTES,
  WINDOW_INITIAL_BYTES,
  WINDOW_MAX_BYTES,
} from "../../src/protocol/limits.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { LossyLink, type LossySide } from "./lossy_world.ts";
import { WRITE_MAX_BYTES } from "./stream_world.ts";

const SCHEDULE_COUNT = 10_000;
const SEED = Number(process.env["STREAM_SEED"] ?? 1);
/** Enough for both ends, and for less than one. */
const BUDGETS_BYTES = [4 * 1024 * 1024, 200 * 1024];
/** Programs write a byte, a line, or a lot. */
const WRITES_BYTES = [2, 2_000, WRITE_MAX_BYTES + 1, WRITE_MAX_BYTES + 1];
const TIMEOUT_MS = 240_000;

/** More turns than any stream needs that has its link for itself. */
const DRAIN_MAX_COUNT = 100_000;

/** Turns without a message after which none comes: to notice, to dial. */
const IDLE_MAX_COUNT = 4;

/** One life of a stream over many links, in an order that `seed` decides. */
class Schedule {
  readonly #random: SeededRandom;
  readonly #budget: WindowBudget;
  readonly link: LossyLink;
  readonly #breaks: boolean;
  /** How likely an action is to cut the link, in hundredths. */
  readonly #cutWeight: number;
  readonly #brokeOff = new Set<LossySide>();
  #nowMs = 0;
  mostReplayedBytes = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#budget = new WindowBudget(this.#random.pick(BUDGETS_BYTES));
    this.link = new LossyLink(this.#budget, this.#random);
    this.#breaks = this.#random.chance(0.2);
    this.#cutWeight = this.#random.pick([1, 2, 4, 8]);
  }

  run(): void {
    const actionCount = 5 + this.#random.below(250);
    for (let i = 0; i < actionCount; i++) this.#act();
    this.#drain();
    this.#check();
  }

  #act(): void {
    const random = this.#random;
    const { link } = this;
    const side = random.pick(link.sides);
    this.#nowMs += random.chance(0.5) ? random.next() * 20 : 0;
    const choice = random.below(100);
    if (choice < this.#cutWeight) link.cut();
    else if (choice < 30) this.#write(side);
    else if (choice < 65) this.#arrive(side, 1 + random.below(6));
    else if (choice < 73) link.notice(side);
    else if (choice < 81) link.begin(side);
    else if (choice < 85) side.takes = !side.takes;
    else if (choice < 92) side.take(this.#nowMs);
    else if (choice < 96) side.end.linkReady(random.chance(0.7));
    else if (choice < 98) side.endWriting();
    else if (this.#breaks) this.#breakOff(side);
    this.#checkBounds(side);
  }

  #breakOff(side: LossySide): void {
    if (!side.isOver) this.#brokeOff.add(side);
    side.end.localFailed(new Fault("streamReset", "x"));
  }

  #write(side: LossySide): void {
    // A program that is paused may have a last chunk under way.
    if (side.isPaused && !this.#random.chance(0.1)) return;
    side.write(this.#random.below(this.#random.pick(WRITES_BYTES)));
  }

  #arrive(side: LossySide, count: number): void {
    for (let i = 0; i < count; i++) {
      if (!this.link.arrive(side, this.#nowMs)) return;
      this.#checkBounds(side);
    }
  }

  /** The link stays up from now on, and both programs end. */
  #drain(): void {
    const { sides } = this.link;
    for (const side of sides) {
      side.takes = true;
      side.endWriting();
    }
    let idle = 0;
    for (let turns = 0; idle < IDLE_MAX_COUNT; turns++) {
      if (turns > DRAIN_MAX_COUNT) throw new Error("It goes on for ever");
      this.#nowMs++;
      idle++;
      for (const side of sides) this.#holdNothingBack(side);
      for (const side of sides) {
        if (this.link.arrive(side, this.#nowMs)) idle = 0;
      }
    }
    const lost = new Fault("linkLost", "No new link came");
    for (const side of sides) {
      if (this.link.peerOf(side).isOver) this.link.peerLeft(side, lost);
    }
  }

  #holdNothingBack(side: LossySide): void {
    this.link.notice(side);
    this.link.begin(side);
    side.end.linkReady(true);
    side.take(this.#nowMs);
  }

  #checkBounds(side: LossySide): void {
    const untakenBytes = side.receivedBytes - side.takenBytes;
    expect(untakenBytes).toBeLessThanOrEqual(WINDOW_MAX_BYTES);
    expect(this.#budget.takenBytes).toBeLessThanOrEqual(this.#budget.maxBytes);
    const peer = this.link.peerOf(side);
    if (side.isOver || peer.isOver) return;
    const { replayBytes } = side.end.counts;
    const { windowBytes } = peer.end.counts;
    expect(replayBytes).toBeLessThanOrEqual(windowBytes);
    // What the process has given out, and not for windows.
    const windowsBytes = windowBytes + side.end.counts.windowBytes -
      2 * WINDOW_INITIAL_BYTES;
    const keptMaxBytes = Math.max(
      WINDOW_INITIAL_BYTES + this.#budget.takenBytes - windowsBytes,
      windowBytes / 4 + STREAM_MESSAGE_MAX_BYTES,
    );
    expect(replayBytes).toBeLessThanOrEqual(keptMaxBytes);
    this.mostReplayedBytes = Math.max(this.mostReplayedBytes, replayBytes);
  }

  #check(): void {
    const { near, far } = this.link;
    const codes = [near, far].map(({ finishes }) =>
      finishes.map((fault) => fault?.code ?? "cleanly")
    );
    // One that broke off, or ended, without being heard leaves the other.
    const isBroken = codes.flat().includes("streamReset");
    const allowed = isBroken
      ? ["cleanly", "streamReset", "linkLost"]
      : ["cleanly"];
    for (const [code, ...more] of codes) {
      expect(more).toEqual([]);
      expect(allowed).toContain(code ?? "never");
    }
    expect(this.#budget.takenBytes).toBe(0);
    // What came is a prefix of what was sent: compared as it was delivered.
    expect(near.receivedBytes).toBeLessThanOrEqual(far.writtenBytes);
    expect(far.receivedBytes).toBeLessThanOrEqual(near.writtenBytes);
    for (const [side, peer] of [[near, far], [far, near]] as const) {
      if (codes[side === near ? 0 : 1]?.[0] !== "cleanly") continue;
      expect(this.#brokeOff).not.toContain(side);
      // Who believes that the other one needs nothing more is right.
      if (side.end.isPeerComplete) expect(peer.finishes).toEqual([undefined]);
      // Who ended cleanly has all, and knows that the other has all.
      expect([side.takenBytes, side.heardEnd, peer.takenBytes])
        .toEqual([peer.writtenBytes, true, side.writtenBytes]);
      expect([side.end.counts.replayBytes, side.isPaused]).toEqual([0, false]);
    }
  }
}

test(
  `Two stream ends keep every promise over links that come and go, in ${SCHEDULE_COUNT} random orders of events`,
  () => {
    let cleanCount = 0;
    let lostCount = 0;
    let often = 0;
    let replayedCount = 0;
    for (let run = 0; run < SCHEDULE_COUNT; run++) {
      const seed = SEED + run;
      const schedule = new Schedule(seed);
      try {
        schedule.run();
      } catch (error) {
        throw new Error(`Bug at STREAM_SEED=${seed}: ${error}`, {
          cause: error,
        });
      }
      const { near, far } = schedule.link;
      if (!near.finishes[0] && !far.finishes[0]) cleanCount++;
      if (near.lossCount > 0) lostCount++;
      if (near.lossCount > 3) often++;
      if (schedule.mostReplayedBytes > 256 * 1024) replayedCount++;
    }
    // The schedules are worth something: each of these is met many times.
    expect(cleanCount).toBeGreaterThan(SCHEDULE_COUNT / 2);
    expect(SCHEDULE_COUNT - cleanCount).toBeGreaterThan(SCHEDULE_COUNT / 50);
    expect(lostCount).toBeGreaterThan(SCHEDULE_COUNT / 3);
    expect(often).toBeGreaterThan(SCHEDULE_COUNT / 50);
    expect(replayedCount).toBeGreaterThan(SCHEDULE_COUNT / 100);
  },
  TIMEOUT_MS,
);
