import { expect, test } from "bun:test";
import {
  networkAddresses,
  watchNetworkAddresses,
} from "../../src/runtime/network_addresses.ts";
import { runChild } from "../support/child.ts";
import { networkMissing } from "../support/network.ts";
import { testUnless } from "../support/test_unless.ts";

async function ip(...args: string[]): Promise<void> {
  const { status, stderr } = await runChild(["ip", ...args]);
  expect([args, status, stderr]).toEqual([args, 0, ""]);
}

testUnless(networkMissing())(
  "networkAddresses() says another thing when an address has come or gone",
  async () => {
    expect(networkAddresses()).not.toContain("127.0.0.1");
    const name = `mf-${process.pid % 10_000}`;
    // A pair of ports that nothing is joined to.
    const peer = ["type", "veth", "peer", "name", `${name}b`];
    await ip("link", "add", `${name}a`, ...peer);
    try {
      // Without a carrier, it is as good as not there.
      await ip("link", "set", `${name}b`, "up");
      await ip("link", "set", `${name}a`, "up");
      await ip("addr", "add", "198.51.100.7/32", "dev", `${name}a`);
      expect(networkAddresses()).toContain(`${name}a 198.51.100.7`);
      await ip("addr", "del", "198.51.100.7/32", "dev", `${name}a`);
      expect(networkAddresses()).not.toContain("198.51.100.7");
    } finally {
      await ip("link", "del", `${name}a`);
    }
  },
);

test("watchNetworkAddresses() asks every other time, or each time of who is in a hurry", () => {
  let nowMs = 0;
  let askCount = 0;
  const watch = watchNetworkAddresses(() => nowMs, () => `${++askCount}`);
  const at = (times: readonly number[]) =>
    times.map((timeMs) => {
      nowMs = timeMs;
      return watch();
    });
  expect(at([0, 1_500, 3_000, 4_500, 6_000, 7_501]))
    .toEqual(["1", "1", "2", "2", "3", "3"]);
  expect(at([8_001, 8_501, 9_001, 10_001])).toEqual(["4", "5", "6", "7"]);
  // It has slept.
  expect(at([60_000, 61_500])).toEqual(["8", "8"]);
});
