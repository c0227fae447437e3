import { expect, test } from "bun:test";
import {
  isInRanges,
  parseIp,
  parseIpRange,
} from "../../src/protocol/ip_range.ts";

function bytes(text: string): number[] | undefined {
  const address = parseIp(text);
  return address && [...address];
}

test("parseIp() reads IPv4, and IPv6 in each way of writing it", () => {
  const zeros = new Array<number>(12).fill(0);
  expect(bytes("192.0.2.7")).toEqual([192, 0, 2, 7]);
  expect(bytes("0.0.0.0")).toEqual([0, 0, 0, 0]);
  expect(bytes("::1")).toEqual([...zeros, 0, 0, 0, 1]);
  expect(bytes("[::1]")).toEqual([...zeros, 0, 0, 0, 1]);
  expect(bytes("1:2:3:4:5:6:7:8"))
    .toEqual([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]);
  expect(bytes("2001:DB8::1:0:0:1"))
    .toEqual([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
});

test("parseIp() takes an IPv4-mapped IPv6 address for the IPv4 address", () => {
  expect(bytes("::ffff:192.0.2.7")).toEqual([192, 0, 2, 7]);
  expect(bytes("::ffff:c000:207")).toEqual([192, 0, 2, 7]);
});

test("parseIp() refuses what only looks like an address", () => {
  const wrong = [
    ...["", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "01.2.3.4"],
    ...["1.2.3.x", "::1::", ":", "1:2:3:4:5:6:7", "12345::", "fe80::1%eth0"],
    ...["[1.2.3.4", "::ffff:1.2.3.256", " 1.2.3.4", "localhost"],
  ];
  expect(wrong.filter((text) => parseIp(text) !== undefined)).toEqual([]);
});

test("parseIpRange() takes a prefix, or an address alone", () => {
  const prefixes = ["10.0.0.0/8", "::/0", "192.0.2.1", "::1", "::1/128"]
    .map((text) => parseIpRange(text)?.prefixBits);
  expect(prefixes).toEqual([8, 0, 32, 128, 128]);
  expect(parseIpRange("::ffff:10.0.0.0/104")?.prefixBits).toBe(8);
  expect(parseIpRange("10.0.0.0/8")?.text).toBe("10.0.0.0/8");
});

test("parseIpRange() refuses a prefix that is too long, or none after a slash", () => {
  const wrong = ["10.0.0.0/33", "::/129", "1.2.3.4/", "1.2.3.4/x", "/8", "a/8"];
  wrong.push("::ffff:10.0.0.0/95");
  expect(wrong.filter((text) => parseIpRange(text) !== undefined)).toEqual([]);
});

function isIn(address: string, ...ranges: string[]): boolean {
  return isInRanges(
    address,
    ranges.flatMap((text) => parseIpRange(text) ?? []),
  );
}

test("isInRanges() compares exactly the bits of the prefix", () => {
  expect(isIn("10.255.255.255", "10.0.0.0/8")).toBe(true);
  expect(isIn("11.0.0.0", "10.0.0.0/8")).toBe(false);
  expect(isIn("192.168.3.255", "192.168.2.0/23")).toBe(true);
  expect(isIn("192.168.4.0", "192.168.2.0/23")).toBe(false);
  expect(isIn("192.168.2.9", "192.168.3.1/23")).toBe(true);
  expect(isIn("2001:db8:ffff::1", "2001:db8::/32")).toBe(true);
  expect(isIn("2001:db9::1", "2001:db8::/32")).toBe(false);
  expect(isIn("127.0.0.1", "127.0.0.1")).toBe(true);
  expect(isIn("127.0.0.2", "127.0.0.1")).toBe(false);
});

test("isInRanges() keeps the two families apart, but for mapped addresses", () => {
  expect(isIn("1.2.3.4", "::/0")).toBe(false);
  expect(isIn("::1", "0.0.0.0/0")).toBe(false);
  expect(isIn("::ffff:1.2.3.4", "1.2.3.0/24")).toBe(true);
});

test("isInRanges() believes no text that is no address, and no empty list", () => {
  expect(isIn("localhost", "0.0.0.0/0", "::/0")).toBe(false);
  expect(isIn("", "0.0.0.0/0", "::/0")).toBe(false);
  expect(isIn("127.0.0.1")).toBe(false);
});
