import { expect, test } from "bun:test";
import { CountedGarbage } from "../../src/runtime/counted_garbage.ts";

test("CountedGarbage is collected after each 128", () => {
  let collectCount = 0;
  const garbage = new CountedGarbage(() => collectCount++);
  for (let ended = 0; ended < 127; ended++) garbage.add(1);
  garbage.add(0);
  expect(collectCount).toBe(0);
  garbage.add(2);
  expect(collectCount).toBe(1);
  for (let ended = 0; ended < 256; ended++) garbage.add(1);
  expect(collectCount).toBe(3);
});
