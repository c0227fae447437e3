import { expect, test } from "bun:test";
import { BlockList, isIP } from "node:net";
import {
  isInRanges,
  parseIp,
  parseIpRange,
} from "../../src/protocol/ip_range.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const RUN_COUNT = 50_000;
const SEED = 0x6970;

/** Pieces that make addresses, near addresses and traps. */
const PIECES = [
  ...":./0123456789abcdef[]%x -+",
  ...["::", "ffff", "::ffff:", "255", "256", "10.0.0.0", "/8", "/128", "0x"],
  ...["1".repeat(50), "\u0661", "\n", "\u0000", "fe80::1%eth0", "/08"],
];

const SEEDS = [
  ...["10.1.2.3", "192.168.0.0/16", "2001:db8::/32", "::ffff:192.0.2.1/120"],
  ...["::", "::1/128", "0.0.0.0/0", "1:2:3:4:5:6:7:8", "[::1]"],
];

function randomText(random: SeededRandom): string {
  let text = random.chance(0.7) ? random.pick(SEEDS) : "";
  for (let edits = random.below(5); edits > 0; edits--) {
    const at = random.below(text.length + 1);
    const cut = random.chance(0.4) ? random.below(4) : 0;
    text = text.slice(0, at) + random.pick(PIECES) + text.slice(at + cut);
  }
  return text;
}

/** Writes 4 or 16 bytes as a person would. */
function print(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => {
    const [high = 0, low = 0] = bytes.slice(at * 2, at * 2 + 2);
    return (high * 256 + low).toString(16);
  });
  return groups.join(":");
}

/** An address, and another that differs from it in one bit. */
function neighbours(random: SeededRandom, byteCount: number) {
  const net = Array.from({ length: byteCount }, () => random.below(256));
  const flippedBit = random.below(byteCount * 8);
  const address = net.map((byte, at) =>
    at === flippedBit >> 3 ? byte ^ (0x80 >> (flippedBit & 7)) : byte
  );
  return { net: print(net), address: print(address) };
}

test(`parseIp() reads what another reader reads, in ${RUN_COUNT} texts`, () => {
  const random = new SeededRandom(SEED);
  let readCount = 0;
  for (let run = 0; run < RUN_COUNT; run++) {
    const text = randomText(random);
    const bare = text.replace(/^\[([^[\]]*:[^[\]]*)\]$/, "$1");
    const expected = bare.includes("%") ? 0 : isIP(bare);
    const found = parseIp(text);
    if (found) readCount++;
    expect([text, found !== undefined]).toEqual([text, expected !== 0]);
    if (!found) continue;
    // A mapped address has become four bytes; nothing else changes family.
    const isMapped = found.length === 4 && expected === 6;
    expect([text, isMapped || found.length === (expected === 4 ? 4 : 16)])
      .toEqual([text, true]);
  }
  expect(readCount).toBeGreaterThan(RUN_COUNT / 20);
});

test(`parseIpRange() throws nothing and keeps its bounds, in ${RUN_COUNT} texts`, () => {
  const random = new SeededRandom(SEED + 1);
  let readCount = 0;
  for (let run = 0; run < RUN_COUNT; run++) {
    const text = randomText(random);
    const range = parseIpRange(text);
    if (!range) continue;
    readCount++;
    const { address, prefixBits } = range;
    expect([4, 16]).toContain(address.length);
    expect(prefixBits).toBeGreaterThanOrEqual(0);
    expect(prefixBits).toBeLessThanOrEqual(address.length * 8);
    expect(isInRanges(text.replace(/\/.*$/, ""), [range])).toBe(true);
  }
  expect(readCount).toBeGreaterThan(RUN_COUNT / 20);
});

test("isInRanges() agrees with another matcher about random ranges", () => {
  const random = new SeededRandom(SEED + 2);
  const seen = { inside: 0, outside: 0 };
  for (let run = 0; run < 5_000; run++) {
    const family = random.pick(["ipv4", "ipv6"] as const);
    const byteCount = family === "ipv4" ? 4 : 16;
    const prefixBits = random.below(byteCount * 8 + 1);
    const { net, address } = neighbours(random, byteCount);
    const blocks = new BlockList();
    blocks.addSubnet(net, prefixBits, family);
    const range = parseIpRange(`${net}/${prefixBits}`);
    const found = isInRanges(address, range ? [range] : []);
    const expected = blocks.check(address, family);
    seen[found ? "inside" : "outside"]++;
    expect([net, prefixBits, address, found])
      .toEqual([net, prefixBits, address, expected]);
  }
  expect(Math.min(seen.inside, seen.outside)).toBeGreaterThan(2_000);
});
