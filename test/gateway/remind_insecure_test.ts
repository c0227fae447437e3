import { expect, test } from "bun:test";
import { remindInsecure } from "../../src/gateway/remind_insecure.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

test("remindInsecure() warns at once, and again each hour until it is over", async () => {
  const clock = new ManualClock();
  const log = new ListLog();
  const stop = new AbortController();
  const reminding = rejection(remindInsecure(log, clock, stop.signal));
  await clock.advance(3_599_999);
  expect(log.lines.length).toBe(1);
  expect(log.lines[0]).toContain("gateway.insecure");
  await clock.advance(1);
  expect(log.lines.length).toBe(2);
  stop.abort(new Error("Over"));
  expect(await reminding).toEqual(new Error("Over"));
});
