import { expect, test } from "bun:test";
import { Fault, type FaultCode, FAULTS } from "../../src/protocol/fault.ts";
import { Backoff, retryCapMs } from "../../src/transport/backoff.ts";

const MINUTE_MS = 60_000;

function fault(code: FaultCode, retryAfterMs?: number): Fault {
  return new Fault(code, "x", { retryAfterMs });
}

function drained(returnWithinMs: number): Fault {
  return new Fault("gatewayDraining", "x", { returnWithinMs });
}

/** The waits after `count` failures in a row, none of which ever stood. */
function waits(
  random: number,
  code: FaultCode,
  count: number,
  capMs: number,
): number[] {
  const backoff = new Backoff(() => random);
  return Array.from(
    { length: count },
    () => backoff.next(fault(code), 0, capMs),
  );
}

test("Backoff waits within 3 s, then doubles from 1 s up to the cap, for ever", () => {
  expect(waits(1, "linkLost", 10, 60_000)).toEqual([
    ...[3_000, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000],
    ...[60_000, 60_000, 60_000],
  ]);
  expect(waits(1, "linkLost", 6, 5_000))
    .toEqual([3_000, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("Backoff has full jitter: anything from 0 on", () => {
  expect(waits(0, "linkLost", 10, 60_000)).toEqual(Array(10).fill(0));
  expect(waits(0.5, "gatewayUnreachable", 4, 60_000))
    .toEqual([1_500, 500, 1_000, 2_000]);
});

test("Backoff stays at the cap after a thousand failures", () => {
  const last = waits(1, "linkLost", 1_100, 30_000).slice(-100);
  expect(last).toEqual(Array(100).fill(30_000));
});

test("Backoff does not spin for a gateway that names no cap", () => {
  expect(waits(1, "linkLost", 5, 0)).toEqual([3_000, ...Array(4).fill(1_000)]);
});

test("Backoff waits for minutes after each fault of the slow lane", () => {
  const rows = Object.entries(FAULTS);
  const slow = rows.filter(([, row]) => row.retry === "slow");
  for (const [code] of slow) {
    const name = code as FaultCode;
    expect([code, ...waits(0, name, 3, 5_000)])
      .toEqual([code, ...Array(3).fill(2 * MINUTE_MS)]);
    expect(waits(1, name, 3, 5_000)).toEqual(Array(3).fill(6 * MINUTE_MS));
  }
  expect(slow.length).toBeGreaterThan(5);
});

test("Backoff never gives up, even after a fault that nobody would retry", () => {
  expect(waits(1, "ticketInvalid", 4, 60_000))
    .toEqual([3_000, 1_000, 2_000, 4_000]);
});

test("Backoff returns within what a draining gateway asked for", () => {
  const draining = drained(30_000);
  for (
    const [random, waitMs] of [[0, 0], [0.5, 15_000], [1, 30_000]] as const
  ) {
    const backoff = new Backoff(() => random);
    expect(backoff.next(draining, 90_000, 5_000)).toBe(waitMs);
    // It was a failure: the next one is not the first.
    expect(backoff.next(fault("linkLost"), 0, 5_000)).toBe(random * 1_000);
  }
  // Without a figure it is a failure like any other.
  expect(waits(1, "gatewayDraining", 2, 5_000)).toEqual([3_000, 1_000]);
});

test("Backoff stays away as long as it was asked to, and its own time on top", () => {
  const backoffs = [0, 1].map((random) => new Backoff(() => random));
  const asked = fault("quotaExceeded", 120_000);
  const nexts = () => backoffs.map((backoff) => backoff.next(asked, 0, 60_000));
  expect(nexts()).toEqual([120_000, 123_000]);
  expect(nexts()).toEqual([120_000, 121_000]);
  const slow = new Backoff(() => 1);
  expect(slow.next(fault("roleRefused", 10_000), 0, 5_000))
    .toBe(10_000 + 6 * MINUTE_MS);
});

test("Backoff lets nobody ask for more than an hour", () => {
  const backoff = new Backoff(() => 0);
  const year = 365 * 24 * 60 * MINUTE_MS;
  expect(backoff.next(fault("gatewayRefused", year), 0, 5_000))
    .toBe(60 * MINUTE_MS);
  const draining = new Backoff(() => 1);
  expect(draining.next(drained(year), 0, 5_000))
    .toBe(60 * MINUTE_MS);
});

test("Backoff dials at once after its own certificate has changed", () => {
  const backoff = new Backoff(() => 1);
  const changed = new Fault("identityChanged", "", { returnWithinMs: 0 });
  expect(backoff.next(changed, 500, 60_000)).toBe(0);
  // It was no failure: the next one is the first.
  expect([backoff.failures, backoff.next(fault("linkLost"), 0, 60_000)])
    .toEqual([0, 3_000]);
});

test("Backoff starts afresh after a link of 60 s, and not after a shorter one", () => {
  const backoff = new Backoff(() => 1);
  const lost = fault("linkLost");
  const next = (livedMs: number) => backoff.next(lost, livedMs, 60_000);
  expect([next(0), next(0), next(59_999), next(60_000), next(0)])
    .toEqual([3_000, 1_000, 2_000, 3_000, 1_000]);
  expect(backoff.failures).toBe(2);
});

test("retryCapMs() grows with the fleet, from 4.4 s to 10 minutes", () => {
  const counts = [0, 1, 100, 834, 10_000, 100_000, 1_000_000];
  expect(counts.map(retryCapMs))
    .toEqual([4_400, 4_400, 4_400, 5_004, 60_000, 600_000, 600_000]);
});
