import { expect, test } from "bun:test";
import { RequestLimiter } from "../../src/gateway/request_limiter.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** How many of `count` requests are let through. */
function takeMany(
  limiter: RequestLimiter,
  count: number,
  addressOf: (at: number) => string,
): number {
  let taken = 0;
  for (let at = 0; at < count; at++) {
    try {
      limiter.take(addressOf(at));
      taken++;
    } catch (error) {
      expect(Fault.from(error).code).toBe("quotaExceeded");
    }
  }
  return taken;
}

test("RequestLimiter lets 60 a minute through for each address, and says when again", async () => {
  const clock = new ManualClock();
  const limiter = new RequestLimiter(clock);
  expect(takeMany(limiter, 100, () => "192.0.2.1")).toBe(60);
  await clock.advance(20_000);
  let fault: Fault | undefined;
  try {
    limiter.take("192.0.2.1");
  } catch (error) {
    fault = Fault.from(error);
  }
  expect(fault?.retryAfterMs).toBe(40_000);
  expect(takeMany(limiter, 100, () => "192.0.2.2")).toBe(60);
  await clock.advance(40_000);
  expect(takeMany(limiter, 100, () => "192.0.2.1")).toBe(60);
});

test("RequestLimiter takes the addresses of one IPv6 site for one", () => {
  const limiter = new RequestLimiter(new ManualClock());
  expect(takeMany(limiter, 100, (at) => `2001:db8:1:2::${at}`)).toBe(60);
  expect(takeMany(limiter, 10, (at) => `2001:db8:1:3::${at}`)).toBe(10);
});

test("RequestLimiter bounds what all addresses have together", () => {
  const limiter = new RequestLimiter(new ManualClock());
  const addressOf = (at: number) => `10.${at >> 8}.${at & 255}.1`;
  expect(takeMany(limiter, 5_000, addressOf)).toBe(1_200);
});
