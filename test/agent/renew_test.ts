import { expect, test } from "bun:test";
import {
  type CertificateDates,
  renewalDueMs,
  type RenewOutcome,
  runRenewal,
} from "../../src/agent/renew.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** An agent whose certificate of 90 days has `leftDays`; NaN: it has none. */
function makeRenewal(leftDays: number, random = 0.5) {
  const clock = new ManualClock();
  const log = new ListLog();
  const stop = new AbortController();
  let dates = Number.isNaN(leftDays) ? undefined : ending(leftDays);
  let wake = Promise.withResolvers<void>();
  function ending(days: number): CertificateDates {
    const notAfterMs = clock.wallNow() + days * DAY_MS;
    return { notBeforeMs: notAfterMs - 90 * DAY_MS, notAfterMs };
  }
  const it = {
    askedAtMs: [] as number[],
    answer: (): RenewOutcome => {
      dates = ending(90);
      return { tag: "renewed", notAfterMs: dates.notAfterMs };
    },
    clock,
    log,
    stop,
    wake: () => {
      wake.resolve();
      wake = Promise.withResolvers();
    },
    running: undefined as unknown as Promise<unknown>,
  };
  it.running = rejection(runRenewal({
    ...{ clock, log, random: () => random },
    dates: () => Promise.resolve(dates),
    ask: async () => {
      it.askedAtMs.push(clock.now());
      return await Promise.resolve(it.answer());
    },
    woken: () => wake.promise,
  }, stop.signal));
  return it;
}

test("renewalDueMs() is when a third of the life is left, or up to three days later", () => {
  const dates = { notBeforeMs: 0, notAfterMs: 90 * DAY_MS };
  expect(renewalDueMs(dates, 0)).toBe(60 * DAY_MS);
  expect(renewalDueMs(dates, 0.5)).toBe(61.5 * DAY_MS);
  expect(renewalDueMs(dates, 0.999)).toBeLessThan(63 * DAY_MS);
});

test("runRenewal() asks when a third is left, and then not for two months", async () => {
  const { askedAtMs, clock, log, running, stop } = makeRenewal(90, 0);
  await clock.advance(60 * DAY_MS - HOUR_MS);
  expect(askedAtMs).toEqual([]);
  await clock.advance(HOUR_MS);
  expect(askedAtMs).toEqual([60 * DAY_MS]);
  await clock.advance(59 * DAY_MS);
  expect(askedAtMs).toHaveLength(1);
  await clock.advance(DAY_MS);
  expect(askedAtMs).toHaveLength(2);
  expect(log.lines).toHaveLength(2);
  stop.abort(new Error("over"));
  expect(String(await running)).toContain("over");
  expect(clock.sleeperCount).toBe(0);
});

test("runRenewal() spreads those that are due when they start over a minute", async () => {
  for (const [random, firstMs] of [[0, 0], [0.5, 30_000]] as const) {
    const { askedAtMs, clock, running, stop } = makeRenewal(10, random);
    await clock.advance(MINUTE_MS);
    expect(askedAtMs).toEqual([firstMs]);
    stop.abort();
    await running;
  }
});

test("runRenewal() never gives up, at an hour at most between two tries", async () => {
  const it = makeRenewal(10, 1);
  it.answer = () => {
    throw new Fault("gatewayUnreachable", "No answer");
  };
  await it.clock.advance(20 * DAY_MS);
  const waits = it.askedAtMs.slice(1).map((atMs, at) =>
    (atMs - (it.askedAtMs[at] ?? 0)) / MINUTE_MS
  );
  expect(waits.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(it.askedAtMs.length).toBeGreaterThan(400);
  expect(it.log.lines[0]).toBe(
    'renew.failed {"attempt":1,"waitMs":60000} gatewayUnreachable: No answer',
  );
  it.stop.abort();
  await it.running;
});

test("runRenewal() waits as long as it is asked to, but not for days", async () => {
  const it = makeRenewal(10, 0);
  it.answer = () => {
    throw new Fault("quotaExceeded", "Later", { retryAfterMs: 10 * DAY_MS });
  };
  await it.clock.advance(HOUR_MS - 1);
  expect(it.askedAtMs).toHaveLength(1);
  await it.clock.advance(1);
  expect(it.askedAtMs).toHaveLength(2);
  it.stop.abort();
  await it.running;
});

test("runRenewal() asks every few minutes whether a person has approved, and says it once", async () => {
  const it = makeRenewal(-5, 0.5);
  const renewed = it.answer;
  it.answer = () => ({ tag: "pending", id: "00ff00ff00ff00ff" });
  await it.clock.advance(HOUR_MS);
  expect(it.askedAtMs).toHaveLength(15);
  expect(it.log.lines).toHaveLength(1);
  expect(it.log.lines[0]).toStartWith(
    'renew.pending {"request":"00ff00ff00ff00ff"} certificateExpired: ',
  );
  it.answer = renewed;
  await it.clock.advance(4 * MINUTE_MS);
  expect(it.log.lines.at(-1)).toStartWith("renew.done ");
  it.stop.abort();
  await it.running;
});

test("runRenewal() asks once a day if it gets what it has: its clock may be wrong", async () => {
  const it = makeRenewal(10, 0);
  it.answer = () => ({ tag: "unchanged" });
  await it.clock.advance(5 * DAY_MS - 1);
  expect(it.askedAtMs).toHaveLength(5);
  it.stop.abort();
  await it.running;
});

test("runRenewal() looks at once when it is woken, and asks only if it is due", async () => {
  const due = makeRenewal(10, 0.5);
  await due.clock.advance(0);
  due.wake();
  await due.clock.advance(0);
  expect(due.askedAtMs).toEqual([0]);
  due.stop.abort();
  await due.running;

  const young = makeRenewal(80, 0.5);
  await young.clock.advance(0);
  young.wake();
  await young.clock.advance(MINUTE_MS);
  expect(young.askedAtMs).toEqual([]);
  young.stop.abort();
  await young.running;
});

test("runRenewal() asks nothing while there is no certificate to be read", async () => {
  const it = makeRenewal(NaN, 0);
  await it.clock.advance(DAY_MS);
  expect(it.askedAtMs).toEqual([]);
  it.stop.abort();
  await it.running;
});
