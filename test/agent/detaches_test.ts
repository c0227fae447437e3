import { expect, test } from "bun:test";
import { Detaches } from "../../src/agent/detaches.ts";
import { ManualClock } from "../support/manual_clock.ts";

function newDetaches() {
  const clock = new ManualClock();
  const seen: unknown[] = [];
  const detaches = new Detaches(clock, () => seen.push(detaches.counts));
  return { clock, detaches, seen };
}

test("Detaches says since when a tunnel has no link, and counts those that came back", async () => {
  const { clock, detaches, seen } = newDetaches();
  await clock.advance(1_000);
  detaches.lost("a");
  expect([detaches.sinceMs("a"), detaches.sinceMs("b")])
    .toEqual([clock.wallNow(), undefined]);
  await clock.advance(500);
  detaches.back("a", 70);
  detaches.lost("a");
  detaches.back("a", 7);
  detaches.ended("a", false);
  expect(detaches.sinceMs("a")).toBeUndefined();
  expect(detaches.counts)
    .toEqual({ resumedCount: 2, replayedBytes: 77, expiredCount: 0 });
  expect(seen.length).toBe(4);
});

test("Detaches counts a tunnel that ended without a link, unless the agent stops", () => {
  const { detaches } = newDetaches();
  detaches.lost("a");
  detaches.ended("a", false);
  detaches.ended("a", false);
  detaches.lost("b");
  detaches.ended("b", true);
  expect([detaches.sinceMs("a"), detaches.sinceMs("b")])
    .toEqual([undefined, undefined]);
  expect(detaches.counts)
    .toEqual({ resumedCount: 0, replayedBytes: 0, expiredCount: 1 });
});

test("Detaches tells the gateway each thing once, and nothing if there is none", () => {
  const { detaches } = newDetaches();
  expect(detaches.takeNews()).toBeUndefined();
  detaches.lost("a");
  detaches.back("a", 70);
  detaches.lost("b");
  detaches.ended("b", false);
  expect(detaches.takeNews()).toEqual({ expired: 1, "replayed_bytes": 70 });
  expect(detaches.takeNews()).toBeUndefined();
  detaches.lost("a");
  // It came back, and nothing had to be said again.
  detaches.back("a", 0);
  expect(detaches.takeNews()).toBeUndefined();
  detaches.lost("a");
  detaches.back("a", 5);
  expect(detaches.takeNews()).toEqual({ expired: 0, "replayed_bytes": 5 });
});
