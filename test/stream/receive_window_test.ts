import { expect, test } from "bun:test";
import { ReceiveWindow } from "../../src/stream/receive_window.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { KIB } from "./list_sink.ts";
import { type Path, runPath } from "./simulated_path.ts";

const MIB = 1024 * KIB;
const MB = 1_000_000;

function ample(): WindowBudget {
  return new WindowBudget(64 * MIB);
}

function windowOver(path: Path, totalBytes: number): number {
  return runPath(path, totalBytes, ample()).window.sizeBytes;
}

test("ReceiveWindow grows to its maximum on a path that could use more", () => {
  const path = { bytesPerMs: 100_000, roundTripMs: 50 };
  const { window, elapsedMs } = runPath(path, 400 * MB, ample());
  expect(window.sizeBytes).toBe(8 * MIB);
  // With the first window it would have been 5 MB/s: 78 seconds.
  expect(elapsedMs).toBeLessThan(5_000);
});

test("ReceiveWindow grows to about four times bandwidth times delay", () => {
  for (
    const [bytesPerMs, roundTripMs] of [[10_000, 100], [100_000, 10], [
      20_000,
      100,
    ]] as const
  ) {
    const fillBytes = bytesPerMs * roundTripMs;
    const sizeBytes = windowOver({ bytesPerMs, roundTripMs }, 200 * MB);
    expect(sizeBytes).toBeGreaterThan(3.6 * fillBytes);
    expect(sizeBytes).toBeLessThan(5.2 * fillBytes);
  }
});

test("ReceiveWindow grows to about twice the product where the round is short", () => {
  const sizeBytes = windowOver(
    { bytesPerMs: 500_000, roundTripMs: 4 },
    200 * MB,
  );
  expect(sizeBytes).toBeGreaterThan(1.8 * 2 * MB);
  expect(sizeBytes).toBeLessThan(2.6 * 2 * MB);
});

test("ReceiveWindow grows once at most on a path that the first window fills", () => {
  // The first measure cannot be shorter than the window takes: 4 x 256 KiB.
  for (
    const [bytesPerMs, roundTripMs] of [[1_000, 20], [125, 50], [
      100_000,
      1,
    ]] as const
  ) {
    const sizeBytes = windowOver({ bytesPerMs, roundTripMs }, 100 * MB);
    expect(sizeBytes).toBeLessThanOrEqual(1 * MIB);
  }
});

test("ReceiveWindow stays near what the path needs when messages come in clumps", () => {
  const random = new SeededRandom(5);
  const path = { bytesPerMs: 10_000, roundTripMs: 100, jitterMs: 100 };
  const { window } = runPath(path, 400 * MB, ample(), () => random.next());
  expect(window.sizeBytes).toBeGreaterThan(2 * MB);
  expect(window.sizeBytes).toBeLessThan(6 * MB);
});

test("ReceiveWindow takes no more than the budget has left, and gives it back", () => {
  const budget = new WindowBudget(1 * MIB);
  expect(budget.take(300 * KIB)).toBe(300 * KIB);
  const path = { bytesPerMs: 100_000, roundTripMs: 50 };
  const { window } = runPath(path, 100 * MB, budget);
  expect(window.sizeBytes).toBe((256 + 724) * KIB);
  expect(budget.takenBytes).toBe(1 * MIB);
  window.release();
  expect([window.sizeBytes, budget.takenBytes]).toEqual([256 * KIB, 300 * KIB]);
  window.release();
  expect(budget.takenBytes).toBe(300 * KIB);
});

test("ReceiveWindow allows its first 256 KiB, then what each grant says", () => {
  const window = new ReceiveWindow(ample());
  expect(window.limitOffset).toBe(256 * KIB);
  window.grant(10, 20, 0);
  expect(window.limitOffset).toBe(256 * KIB + 10);
});

test("ReceiveWindow learns nothing from a clock that stands still", () => {
  const window = new ReceiveWindow(ample());
  window.grant(64 * KIB, 64 * KIB, 5);
  window.received(256 * KIB + 1, 5);
  expect(window.sizeBytes).toBe(256 * KIB);
  // And forgets it: the next round is measured as if it were the first.
  window.grant(256 * KIB, 256 * KIB, 10);
  window.received(512 * KIB, 20);
  expect(window.sizeBytes).toBe(1 * MIB);
});

test("WindowBudget gives what is left, and not more", () => {
  const budget = new WindowBudget(100);
  expect([budget.take(60), budget.take(60), budget.take(1)]).toEqual([
    60,
    40,
    0,
  ]);
  budget.giveBack(30);
  expect([budget.takenBytes, budget.take(50), budget.takenBytes])
    .toEqual([70, 30, 100]);
});

/** A window that has grown on a path of `roundTripMs`, and its grant beside a conversation. */
function besideConversation(roundTripMs: number, silentMs: number) {
  const budget = ample();
  const path = { bytesPerMs: 500_000, roundTripMs };
  const { window, elapsedMs } = runPath(path, 200 * MB, budget);
  const offset = window.limitOffset;
  budget.conversed(elapsedMs);
  window.grant(offset, offset, elapsedMs + silentMs);
  const { grantedBytes, limitOffset, sizeBytes } = window;
  return { grantedBytes, grownBytes: limitOffset - offset, sizeBytes };
}

test("ReceiveWindow grants little beside a conversation where the round is short", () => {
  const { grantedBytes, grownBytes, sizeBytes } = besideConversation(4, 999);
  expect([grantedBytes, grownBytes]).toEqual([128 * KIB, 128 * KIB]);
  // It comes back to what it was as soon as nobody speaks.
  expect(sizeBytes).toBeGreaterThan(3 * MB);
  const after = besideConversation(4, 1_000);
  expect(after.grantedBytes).toBe(after.sizeBytes);
});

test("ReceiveWindow grants a long path what it fills, whoever speaks", () => {
  const { grantedBytes, sizeBytes } = besideConversation(10, 0);
  expect(grantedBytes).toBe(sizeBytes);
});

test("ReceiveWindow takes back nothing that it has granted", () => {
  const budget = ample();
  const path = { bytesPerMs: 500_000, roundTripMs: 4 };
  const { window, elapsedMs } = runPath(path, 200 * MB, budget);
  const { limitOffset } = window;
  budget.conversed(elapsedMs);
  window.grant(limitOffset - 1 * MIB, limitOffset - 1 * MIB, elapsedMs);
  expect([window.grantedBytes, window.limitOffset])
    .toEqual([128 * KIB, limitOffset]);
});

test("ReceiveWindow tells the process of a conversation that it carries itself", () => {
  const budget = ample();
  const window = new ReceiveWindow(budget);
  for (const [i, ms] of [100, 200, 300].entries()) {
    expect(budget.hasConversation(ms)).toBeFalse();
    window.received((i + 1) * 40, ms);
  }
  expect([300, 1_299, 1_300].map((ms) => budget.hasConversation(ms)))
    .toEqual([true, true, false]);
});
