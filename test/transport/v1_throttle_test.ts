import { expect, test } from "bun:test";
import { V1Throttle } from "../../src/transport/v1_throttle.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { memoryLinks } from "../support/memory_link.ts";

function bench() {
  const clock = new ManualClock();
  const { near } = memoryLinks();
  return { clock, link: near, throttle: new V1Throttle(near, clock) };
}

test("V1Throttle pauses the link for as long as the bytes should have taken", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(100_000, 1_000);
  expect([link.isPaused, throttle.isPaused]).toEqual([true, true]);
  await clock.advance(99);
  expect(link.isPaused).toBe(true);
  await clock.advance(1);
  expect([link.isPaused, throttle.isPaused]).toEqual([false, false]);
  expect(clock.sleeperCount).toBe(0);
});

test("V1Throttle counts small debts until a pause is worth its timer", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(19_000, 1_000);
  expect(link.isPaused).toBe(false);
  throttle.charge(1_000, 1_000);
  expect(link.isPaused).toBe(true);
  await clock.advance(20);
  expect(link.isPaused).toBe(false);
});

test("V1Throttle lets a pause last longer by what still came", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(100_000, 1_000);
  throttle.charge(50_000, 1_000);
  await clock.advance(149);
  expect(link.isPaused).toBe(true);
  await clock.advance(1);
  expect(link.isPaused).toBe(false);
});

test("V1Throttle never pauses for so long that a ping would go unheard", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(1_000_000_000, 1);
  await clock.advance(4_999);
  expect(link.isPaused).toBe(true);
  await clock.advance(1);
  expect(link.isPaused).toBe(false);
});

test("V1Throttle forgives all once it is released, in the middle of a pause, too", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(1_000_000, 1_000);
  throttle.charge(1_000_000, 1_000);
  throttle.release();
  await clock.advance(0);
  expect([link.isPaused, clock.sleeperCount]).toEqual([false, 0]);
  throttle.charge(19_000, 1_000);
  throttle.release();
  throttle.charge(19_000, 1_000);
  expect(link.isPaused).toBe(false);
});

test("V1Throttle pauses again in the turn in which it was released", async () => {
  const { clock, link, throttle } = bench();
  throttle.charge(1_000_000, 1_000);
  throttle.release();
  throttle.charge(100_000, 1_000);
  await clock.advance(99);
  expect(link.isPaused).toBe(true);
  await clock.advance(1);
  expect(link.isPaused).toBe(false);
});
