import { expect, test } from "bun:test";
import { TunnelGarbage } from "../../src/runtime/tunnel_garbage.ts";

test("TunnelGarbage is collected after each 128 tunnels", () => {
  let collectCount = 0;
  const garbage = new TunnelGarbage(() => collectCount++);
  for (let ended = 0; ended < 127; ended++) garbage.ended(1);
  garbage.ended(0);
  expect(collectCount).toBe(0);
  garbage.ended(2);
  expect(collectCount).toBe(1);
  for (let ended = 0; ended < 256; ended++) garbage.ended(1);
  expect(collectCount).toBe(3);
});
