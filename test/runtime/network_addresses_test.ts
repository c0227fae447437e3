import { expect } from "bun:test";
import { networkAddresses } from "../../src/runtime/network_addresses.ts";
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
