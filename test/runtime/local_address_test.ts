import { expect, test } from "bun:test";
import { localAddressTowards } from "../../src/runtime/local_address.ts";

test("localAddressTowards() says where this machine is seen from", async () => {
  expect(await localAddressTowards("127.0.0.1")).toBe("127.0.0.1");
  expect(await localAddressTowards("localhost")).toBe("127.0.0.1");
});

test("localAddressTowards() gives up on a name that is nobody's, and soon", async () => {
  const startMs = performance.now();
  expect(await localAddressTowards("nobody.invalid")).toBeUndefined();
  expect(performance.now() - startMs).toBeLessThan(3_000);
});
