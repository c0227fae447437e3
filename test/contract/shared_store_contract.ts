import { expect, type test } from "bun:test";
import type { Lease, SharedStore } from "../../src/policy/shared_store.ts";

/** A store that is empty, and time. */
export interface StoreBench extends AsyncDisposable {
  readonly store: SharedStore;
  readonly pass: (ms: number) => Promise<void>;
  /** What is published on `channel` from now on. */
  readonly hear: (channel: string) => Promise<readonly string[]>;
}

const LONG_MS = 60_000;
const SHORT_MS = 60;
const NEW = Object.freeze({ tag: "newest", ageMs: 0 } as const);
const FIRST = Object.freeze({ tag: "first" } as const);

/** What every {@linkcode SharedStore} does. */
export function testSharedStoreContract(
  who: string,
  makeBench: () => Promise<StoreBench>,
  run: typeof test,
): void {
  testTaking(who, makeBench, run);
  testLeases(who, makeBench, run);
  testTexts(who, makeBench, run);
}

function lease(value: string, ttlMs = LONG_MS): Lease {
  return { key: "lease", value, ttlMs };
}

function testTaking(
  who: string,
  makeBench: () => Promise<StoreBench>,
  run: typeof test,
): void {
  run(
    `${who} gives a lease to the first who takes it, and to no other`,
    async () => {
      await using bench = await makeBench();
      const { store } = bench;
      expect(await store.take(lease("a"), FIRST))
        .toEqual({ isHeld: true, other: undefined });
      expect(await store.take(lease("b"), FIRST))
        .toEqual({ isHeld: false, other: "a" });
      expect(await store.take(lease("a"), FIRST))
        .toEqual({ isHeld: true, other: undefined });
      expect(await store.take(lease("b"), { tag: "first", insteadOf: "c" }))
        .toEqual({ isHeld: false, other: "a" });
      expect(await store.take(lease("b"), { tag: "first", insteadOf: "a" }))
        .toEqual({ isHeld: true, other: "a" });
      expect(await store.holders(["lease", "none"])).toEqual(["b", undefined]);
    },
  );

  run(
    `${who} gives a lease to who took it last, whenever it says so`,
    async () => {
      await using bench = await makeBench();
      const { store } = bench;
      expect(await store.take(lease("a"), NEW))
        .toEqual({ isHeld: true, other: undefined });
      await bench.pass(20);
      expect(await store.take(lease("b"), NEW))
        .toEqual({ isHeld: true, other: "a" });
      expect(await store.take(lease("a"), { tag: "newest", ageMs: 10_000 }))
        .toEqual({ isHeld: false, other: "b" });
      // It keeps the moment at which it was taken, however it is renewed.
      await bench.pass(20);
      expect(await store.take(lease("b"), { tag: "newest", ageMs: 9_999 }))
        .toEqual({ isHeld: true, other: undefined });
      expect(await store.take(lease("c"), { tag: "newest", ageMs: 5_000 }))
        .toEqual({ isHeld: false, other: "b" });
      expect(await store.take(lease("c"), NEW))
        .toEqual({ isHeld: true, other: "b" });
    },
  );
}

function testLeases(
  who: string,
  makeBench: () => Promise<StoreBench>,
  run: typeof test,
): void {
  run(
    `${who} frees a lease for who has it, and ends it with its time`,
    async () => {
      await using bench = await makeBench();
      const { store } = bench;
      await store.take(lease("with blanks and ünïcode"), FIRST);
      expect(await store.free("lease", "unicode")).toBe(false);
      expect(await store.free("lease", "with blanks and ünïcode")).toBe(true);
      expect(await store.free("lease", "with blanks and ünïcode")).toBe(false);
      await store.take(lease("a", SHORT_MS), FIRST);
      await bench.pass(SHORT_MS + 20);
      expect(await store.holders(["lease"])).toEqual([undefined]);
      expect(await store.take(lease("b"), { tag: "newest", ageMs: 5_000 }))
        .toEqual({ isHeld: true, other: undefined });
    },
  );

  run(`${who} finds thousands of leases at once`, async () => {
    await using bench = await makeBench();
    const { store } = bench;
    const keys = Array.from({ length: 2_500 }, (_, at) => `many:${at}`);
    await Promise.all(
      keys.filter((_, at) => at % 2 === 0).map((key) =>
        store.take({ key, value: key, ttlMs: LONG_MS }, FIRST)
      ),
    );
    expect(await store.holders(keys))
      .toEqual(keys.map((key, at) => at % 2 === 0 ? key : undefined));
  });
}

function testTexts(
  who: string,
  makeBench: () => Promise<StoreBench>,
  run: typeof test,
): void {
  run(
    `${who} keeps a text for its time, and removes it only as it was`,
    async () => {
      await using bench = await makeBench();
      const { store } = bench;
      expect(await store.get("text")).toBeUndefined();
      await store.put("text", "one\n", LONG_MS);
      await store.remove("text", "two");
      expect(await store.get("text")).toBe("one\n");
      await store.remove("text", "one\n");
      expect(await store.get("text")).toBeUndefined();
      await store.put("text", "", SHORT_MS);
      expect(await store.get("text")).toBe("");
      await bench.pass(SHORT_MS + 20);
      expect(await store.get("text")).toBeUndefined();
    },
  );

  run(`${who} shares what was written first, for good`, async () => {
    await using bench = await makeBench();
    const { store } = bench;
    const all = await Promise.all(
      ["a", "b", "c"].map((text) => store.share("shared", text)),
    );
    expect(new Set(all).size).toBe(1);
    expect(await store.share("shared", "d")).toBe(all[0] as string);
  });

  run(`${who} knows the members of a set, each for its time`, async () => {
    await using bench = await makeBench();
    const { store } = bench;
    expect(await store.join("set", "a", SHORT_MS)).toEqual(["a"]);
    const both = await store.join("set", "b", LONG_MS);
    expect(both.toSorted()).toEqual(["a", "b"]);
    await bench.pass(SHORT_MS + 20);
    expect(await store.join("set", "c", LONG_MS)).toEqual(["b", "c"]);
    expect(await store.join("other", "b", LONG_MS)).toEqual(["b"]);
  });

  run(`${who} carries what is published to who hears it`, async () => {
    await using bench = await makeBench();
    const heard = await bench.hear("mine");
    await bench.store.publish("others", "no");
    await bench.store.publish("mine", '{"a": "é"}');
    for (let left = 50; heard.length === 0 && left > 0; left--) {
      await bench.pass(10);
    }
    expect(heard).toEqual(['{"a": "é"}']);
  });
}
