import { expect, test } from "bun:test";
import { GatewayTable } from "../../src/gateway/gateway_table.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { rejection } from "../support/rejection.ts";

const TEXTS = Array.from({ length: 300 }, (_, at) => `tunnel ${at}`);

/** Gateways that have all heard of each other. */
async function tablesOf(...urls: readonly string[]) {
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const tables = urls.map((url, at) =>
    new GatewayTable(`id-${at}`, () => url, clock, store)
  );
  for (const table of [...tables, ...tables]) await table.exchange();
  return { clock, store, tables };
}

test("GatewayTable puts all gateways in one order at each, and shares the work out", async () => {
  const { tables } = await tablesOf("ws://a:1", "ws://b:1", "ws://c:1");
  const firsts = new Map<string, number>();
  for (const text of TEXTS) {
    const [order, ...others] = tables.map((table) => table.inOrderFor(text));
    expect(others).toEqual([order as string[], order as string[]]);
    const [first = ""] = order ?? [];
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  expect(firsts.size).toBe(3);
  for (const count of firsts.values()) expect(count).toBeGreaterThan(60);
});

test("GatewayTable keeps the place of a gateway that was started anew", async () => {
  const { clock, store, tables } = await tablesOf("ws://a:1", "ws://b:1");
  const before = TEXTS.map((text) => tables[0]?.inOrderFor(text));
  const anew = new GatewayTable("id-9", () => "ws://b:1", clock, store);
  await anew.exchange();
  await tables[0]?.exchange();
  expect(TEXTS.map((text) => tables[0]?.inOrderFor(text)))
    .toEqual(
      before.map((ids) => ids?.map((id) => id === "id-1" ? "id-9" : id)),
    );
});

test("GatewayTable tells where a gateway is, also for a minute without the store", async () => {
  const { clock, store, tables: [one] } = await tablesOf(
    "ws://a:1",
    "ws://b:1",
  );
  store.isAway = true;
  expect(await one?.urlOf("id-1")).toBe("ws://b:1");
  expect(await rejection(one?.urlOf("id-2") ?? Promise.resolve()))
    .toMatchObject({ code: "gatewayRefused" });
  store.isAway = false;
  await clock.advance(61_000);
  await one?.exchange();
  expect(await rejection(one?.urlOf("id-1") ?? Promise.resolve()))
    .toMatchObject({ code: "gatewayUnreachable" });
});

test("GatewayTable believes no address that is none", async () => {
  const { store, tables: [one] } = await tablesOf("ws://a:1");
  for (
    const record of [
      ...["", "{", "null", '{"url":7}', '{"url":"http://b:1"}'],
      '{"url":"ws://user@b:1"}',
      '{"url":"ws://b:1/path"}',
    ]
  ) {
    await store.put("migasfree-gateway:gateway:id-1", record, 1_000);
    expect(await rejection(one?.urlOf("id-1") ?? Promise.resolve()))
      .toMatchObject({ code: "gatewayUnreachable" });
  }
});
