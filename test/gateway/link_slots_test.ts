import { expect, test } from "bun:test";
import { holdSlot, LinkSlots } from "../../src/gateway/link_slots.ts";
import type { GatewayLimits } from "../../src/gateway/ports.ts";
import type { Standing } from "../../src/gateway/standing.ts";
import { settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

function makeSlots(): LinkSlots {
  const limits = { linksPerAddressMax: 2, linksMax: 3 };
  return new LinkSlots(limits as GatewayLimits);
}

/** Whether anything is still held. */
async function isEmpty(slots: LinkSlots): Promise<boolean> {
  let isOver = false;
  void slots.emptied().then(() => isOver = true);
  await settle();
  return isOver;
}

test("LinkSlots count the links of an address, and all, and take none beyond", () => {
  const slots = makeSlots();
  const taken = ["a", "a", "b"].map((address) => slots.take(address));
  expect(() => slots.take("c")).toThrow("the gateway has 3 links open");
  taken[2]?.[Symbol.dispose]();
  expect(() => slots.take("a")).toThrow("address a has 2 links open");
  // What was refused holds nothing, and what is given back is free.
  slots.take("c");
  taken[0]?.[Symbol.dispose]();
  taken[0]?.[Symbol.dispose]();
  slots.take("a");
  expect(() => slots.take("d")).toThrow("the gateway has 3 links open");
});

test("LinkSlots say when the last link has gone, and at once if there is none", async () => {
  const slots = makeSlots();
  expect(await isEmpty(slots)).toBe(true);
  const [one, other] = [slots.take("a"), slots.take("b")];
  let isOver = false;
  const emptied = slots.emptied().then(() => isOver = true);
  one[Symbol.dispose]();
  await settle();
  expect(isOver).toBe(false);
  other[Symbol.dispose]();
  expect(await emptied).toBe(true);
});

test("holdSlot() frees a slot when its link is served, or no longer stands", async () => {
  const slots = makeSlots();
  await holdSlot(slots.take("a"), Promise.resolve());
  const broken = new Error("It was not served");
  const served = holdSlot(slots.take("a"), Promise.reject(broken));
  expect(await rejection(served)).toBe(broken);
  expect(await isEmpty(slots)).toBe(true);
  let held: Disposable | undefined;
  const standing: Standing = { hold: (slot) => void (held = slot) };
  await holdSlot(slots.take("a"), Promise.resolve(standing));
  expect(await isEmpty(slots)).toBe(false);
  held?.[Symbol.dispose]();
  expect(await isEmpty(slots)).toBe(true);
});
