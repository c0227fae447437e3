import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { WINDOW_MAX_BYTES } from "../../src/protocol/limits.ts";
import { ReplayAllowance } from "../../src/stream/replay_allowance.ts";
import { StreamEnd } from "../../src/stream/stream_end.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { ack, bytes, KIB, ListSink } from "./list_sink.ts";

const MIB = 1024 * KIB;

test("ReplayAllowance grows with the other end's window while the process has something left", () => {
  const budget = new WindowBudget(1 * MIB);
  const allowance = new ReplayAllowance(budget);
  const sizes = [256, 512, 300, 1_024, 2_048].map((windowKib) => {
    allowance.granted(windowKib * KIB);
    return allowance.sizeBytes / KIB;
  });
  expect(sizes).toEqual([256, 512, 512, 1_024, 1_280]);
  expect(budget.takenBytes).toBe(1 * MIB);
  allowance.release();
  allowance.release();
  expect(budget.takenBytes).toBe(0);
});

test("ReplayAllowance is enough for an acknowledgement to come, whatever is left", () => {
  const allowance = new ReplayAllowance(new WindowBudget(0));
  for (const windowBytes of [0, 256 * KIB, 1 * MIB, WINDOW_MAX_BYTES]) {
    allowance.granted(windowBytes);
    expect(allowance.sizeBytes).toBeGreaterThanOrEqual(256 * KIB);
    expect(allowance.sizeBytes).toBeGreaterThan(windowBytes / 4);
  }
});

test("StreamEnd keeps no more than the process has left, and holds its program back", () => {
  const budget = new WindowBudget(1 * MIB);
  const sinks = [new ListSink(), new ListSink()];
  const ends = sinks.map((sink) => new StreamEnd(sink, budget));
  for (const end of ends) {
    end.peerMessage(ack(0, 2 * MIB), 0);
    for (let index = 0; index < 64; index++) end.localBytes(bytes(64 * KIB));
  }
  const kept = () => ends.map(({ counts }) => counts.replayBytes / KIB);
  // A quarter of the window, and a message, for the one that came too late.
  expect(kept()).toEqual([1_280, 576]);
  expect(sinks.map((sink) => sink.news().at(-1)))
    .toEqual(["pauseLocal", "pauseLocal"]);
  const [first, second] = ends;
  second?.peerMessage(ack(512 * KIB, 2 * MIB), 0);
  expect(kept()).toEqual([1_280, 576]);
  first?.abandon(new Fault("linkLost", "It is over"));
  second?.peerMessage(ack(576 * KIB, 2 * MIB), 0);
  expect(kept()[1]).toBe(1_280);
  expect(budget.takenBytes).toBe(1 * MIB);
});
