import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { PairBench } from "./stream_bench.ts";

const REQUEST = pattern(300_000);
const ANSWER = pattern(500_000).reverse();
const CHUNK_BYTES = 20_000;
/** A run that is never cut needs fewer messages than this. */
const CUTS_MAX_COUNT = 1_000;

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

/** Starts a request that is answered when it has ended. */
function startExchange(): PairBench {
  const bench = new PairBench();
  const { near, far } = bench;
  far.socket.script = {
    end: () => {
      for (let at = 0; at < ANSWER.length; at += CHUNK_BYTES) {
        far.socket.say(ANSWER.subarray(at, at + CHUNK_BYTES));
      }
      far.socket.sayEnd();
    },
  };
  for (let at = 0; at < REQUEST.length; at += CHUNK_BYTES) {
    near.socket.say(REQUEST.subarray(at, at + CHUNK_BYTES));
  }
  near.socket.sayEnd();
  return bench;
}

function expectPrefix(part: Uint8Array, whole: Uint8Array): void {
  expect(part.byteLength).toBeLessThanOrEqual(whole.byteLength);
  expect(Buffer.compare(part, whole.subarray(0, part.byteLength))).toBe(0);
}

/** How a stream may end that was cut: whichever, but it must. */
const ENDINGS = ["cleanly", "linkLost"];

test("runStream() survives a cut at each message of a run, on both sides", async () => {
  let cuts = 0;
  const seen = new Set<string>();
  for (;; cuts++) {
    expect(cuts).toBeLessThan(CUTS_MAX_COUNT);
    await using bench = startExchange();
    bench.links.wire.cutAt(cuts);
    await settle();
    await settle();
    const { near, far } = bench;
    for (const ending of bench.endings) expect(ENDINGS).toContain(ending);
    expectPrefix(far.socket.received, REQUEST);
    expectPrefix(near.socket.received, ANSWER);
    // Whoever heard a clean end has all of it.
    if (near.ending === "cleanly") {
      expect(near.socket.received.byteLength).toBe(ANSWER.byteLength);
    } else expect(near.socket.calls).toContain("reset");
    if (far.ending === "cleanly") {
      expect(far.socket.received.byteLength).toBe(REQUEST.byteLength);
    } else expect(far.socket.calls).toContain("reset");
    expect([near.budget.takenBytes, far.budget.takenBytes]).toEqual([0, 0]);
    seen.add(bench.endings.join());
    if (bench.links.wire.arrivedCount < cuts) break;
  }
  // Joined, some 40 chunks, acknowledgements and ends: all were cut once.
  expect(cuts).toBeGreaterThan(40);
  expect(seen).toContain("linkLost,linkLost");
  expect(seen).toContain("cleanly,cleanly");
});
