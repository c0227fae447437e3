import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { Progress } from "../../src/transport/progress.ts";
import { superviseLink } from "../../src/transport/supervise.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

/** A loop over links of which each does what `once` says. */
function supervised(once: () => Promise<Fault>) {
  const clock = new ManualClock();
  const progress = new Progress(clock, 0);
  const stop = new AbortController();
  const running = superviseLink(once, {
    clock,
    log: new ListLog(),
    random: () => 0.99,
    capMs: () => 3_600_000,
    changed: (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    progress,
  }, stop.signal);
  const end = async () => {
    stop.abort(new Error("Stop"));
    return String(await rejection(running));
  };
  return { clock, progress, end };
}

test("superviseLink() makes progress as long as it tries again, however long it waits", async () => {
  const refused = new Fault("certificateRevoked", "Revoked");
  const { clock, end, progress } = supervised(() => Promise.resolve(refused));
  for (let minutes = 0; minutes < 60; minutes++) {
    await clock.advance(60_000);
    expect([minutes, progress.isStuck]).toEqual([minutes, false]);
  }
  expect(await end()).toContain("Stop");
});

test("superviseLink() is stuck when an attempt neither stands nor fails", async () => {
  const { promise, resolve } = Promise.withResolvers<Fault>();
  const { clock, end, progress } = supervised(() => promise);
  await clock.advance(65_000);
  expect(progress.isStuck).toBe(false);
  await clock.advance(1);
  expect(progress.isStuck).toBe(true);
  resolve(new Fault("linkLost", "At last"));
  await clock.advance(0);
  expect(progress.isStuck).toBe(false);
  await end();
});
