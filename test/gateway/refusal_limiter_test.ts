import { expect, test } from "bun:test";
import {
  type Refusal,
  RefusalLimiter,
} from "../../src/gateway/refusal_limiter.ts";
import type { LinkRefused, TunnelRefused } from "../../src/policy/audit.ts";
import { ManualClock } from "../support/manual_clock.ts";

const LINK: LinkRefused = {
  event: "link.refused",
  address: "192.0.2.7",
  subject: "/CN=x",
  path: "/tunnel",
  code: "roleRefused",
  message: "Cannot enter as operator",
};

const TUNNEL: TunnelRefused = {
  event: "tunnel.refused",
  tunnelId: "00",
  operator: "ana",
  operatorSubject: "CN=ana,OU=ADMINS",
  address: "192.0.2.7",
  deviceId: 7,
  service: "ssh",
  code: "deviceOffline",
  message: "Device 7 is offline",
};

function limiter() {
  const clock = new ManualClock();
  const written: Refusal[] = [];
  const limiter = new RefusalLimiter(clock, (record) => written.push(record));
  return { clock, written, limiter };
}

function writeTimes(limiter: RefusalLimiter, count: number, record: Refusal) {
  for (let at = 0; at < count; at++) limiter.write(record);
}

test("write() writes the first 20 of a minute, and one record for the rest", async () => {
  const { clock, written, limiter: refusals } = limiter();
  writeTimes(refusals, 25, LINK);
  refusals.write({ ...LINK, path: "/tunnel/connect" });
  expect(written).toEqual(new Array(20).fill(LINK));
  await clock.advance(59_999);
  refusals.sweep();
  expect(written.length).toBe(20);
  await clock.advance(1);
  refusals.sweep();
  expect(written.slice(20)).toEqual([
    { ...LINK, path: "/tunnel/connect", suppressed: 6 },
  ]);
  expect(refusals.keyCount).toBe(0);
});

test("write() says nothing of a minute in which nothing was suppressed", async () => {
  const { clock, written, limiter: refusals } = limiter();
  writeTimes(refusals, 20, LINK);
  await clock.advance(60_000);
  refusals.sweep();
  expect(written.length).toBe(20);
});

test("write() sums up the last minute before it begins another", async () => {
  const { clock, written, limiter: refusals } = limiter();
  writeTimes(refusals, 21, LINK);
  await clock.advance(60_000);
  refusals.write(LINK);
  expect(written.slice(20)).toEqual([{ ...LINK, suppressed: 1 }, LINK]);
});

test("write() counts each address, code and event for itself", () => {
  const { written, limiter: refusals } = limiter();
  writeTimes(refusals, 21, LINK);
  const others: Refusal[] = [
    { ...LINK, address: "192.0.2.8" },
    { ...LINK, code: "certificateMissing" },
    { ...TUNNEL, code: "roleRefused" },
  ];
  for (const other of others) refusals.write(other);
  expect(written.slice(20)).toEqual(others);
});

test("write() does not let a caller have a count per subject that it invents", () => {
  const { written, limiter: refusals } = limiter();
  for (let at = 0; at < 30; at++) {
    refusals.write({ ...LINK, subject: `/CN=${at}` });
  }
  expect(written.length).toBe(20);
});

test("write() has a count per operator behind one address", () => {
  const { written, limiter: refusals } = limiter();
  writeTimes(refusals, 21, TUNNEL);
  const eva = { ...TUNNEL, operator: "eva", operatorSubject: "CN=eva" };
  refusals.write(eva);
  expect(written.slice(20)).toEqual([eva]);
});

test("write() has one count for the IPv6 addresses of a /64", () => {
  const { written, limiter: refusals } = limiter();
  for (let at = 0; at < 30; at++) {
    refusals.write({ ...LINK, address: `2001:db8::${at.toString(16)}` });
  }
  expect(written.length).toBe(20);
  refusals.write({ ...LINK, address: "2001:db8:0:1::" });
  expect(written.length).toBe(21);
});

test("write() keeps a bounded number of keys, and loses no count beyond it", () => {
  const { written, limiter: refusals } = limiter();
  for (let at = 0; at < 1_024; at++) {
    refusals.write({ ...LINK, address: `10.0.${at >> 8}.${at & 255}` });
  }
  for (let at = 0; at < 5_000; at++) {
    refusals.write({ ...LINK, address: `11.0.${at >> 8}.${at & 255}` });
  }
  expect(written.length).toBe(1_024 + 20);
  expect(refusals.keyCount).toBe(1_025);
  // Who was known before still has its own count.
  refusals.write({ ...LINK, address: "10.0.0.0" });
  expect(written.length).toBe(1_024 + 21);
  refusals.flush();
  expect(written.slice(1_024 + 21)).toEqual([
    { ...LINK, address: "*", suppressed: 4_980 },
  ]);
});

test("flush() sums up minutes that are not over", () => {
  const { written, limiter: refusals } = limiter();
  writeTimes(refusals, 22, TUNNEL);
  refusals.flush();
  expect(written.slice(20)).toEqual([{ ...TUNNEL, suppressed: 2 }]);
  refusals.flush();
  expect(written.length).toBe(21);
});
