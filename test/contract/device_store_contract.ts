import { expect, test as bunTest } from "bun:test";
import type {
  ClaimResult,
  DeviceStore,
  StoredDevice,
} from "../../src/policy/device_store.ts";
import {
  DEVICES_PER_SUBJECT_MAX_COUNT,
  NAMESAKES_MAX_COUNT,
} from "../../src/runtime/sqlite_device_store.ts";
import { rejection } from "../support/rejection.ts";

export const ANA = "CN=ana,OU=COMPUTERS";
export const EVA = "CN=eva,OU=COMPUTERS";

const PATIENCE_MS = 30_000;

/** A device as {@linkcode claimFor} makes it. */
export function claimed(deviceId: number): StoredDevice {
  return {
    deviceId,
    name: `aula-${deviceId}`,
    subject: ANA,
    services: [],
    boundAtMs: 1_000,
    seenAtMs: 1_000,
  };
}

/** Claims, with what most tests do not care for. */
export async function claimFor(
  store: DeviceStore,
  deviceId: number,
  subject = ANA,
  name = `aula-${deviceId}`,
  nowMs = 1_000,
): Promise<ClaimResult> {
  return await store.claim({ deviceId, name, subject, nowMs });
}

/** Claims many at once, as a fleet that comes back does. */
async function claimMany(
  store: DeviceStore,
  count: number,
  name?: string,
): Promise<void> {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  for (let at = 0; at < count; at += 1_000) {
    const some = ids.slice(at, at + 1_000);
    await Promise.all(some.map((id) => claimFor(store, id, ANA, name)));
  }
}

/** An empty store, of which nothing is left once it is disposed. */
export interface MadeDeviceStore extends AsyncDisposable {
  readonly store: DeviceStore;
}

/** Runs `body` on a store of its own. */
type StoreTest = (
  name: string,
  body: (store: DeviceStore) => Promise<void>,
) => void;

/** Tests what every {@linkcode DeviceStore} must do. */
export function testDeviceStore(
  make: () => Promise<MadeDeviceStore>,
  run: typeof bunTest = bunTest,
): void {
  const test: StoreTest = (name, body) =>
    run(name, async () => {
      await using made = await make();
      await body(made.store);
    }, PATIENCE_MS);
  testClaims(test);
  testQuota(test);
  testLists(test);
}

function testClaims(test: StoreTest): void {
  test("claim() binds an id to the first subject, and to no other", async (store) => {
    expect(await claimFor(store, 7)).toEqual({ tag: "first" });
    expect(await claimFor(store, 7)).toEqual({ tag: "bound" });
    expect(await claimFor(store, 7, EVA, "stolen", 9_999))
      .toEqual({ tag: "taken", subject: ANA });
    expect(await claimFor(store, 8, EVA)).toEqual({ tag: "first" });
    expect(await store.find(7)).toEqual(claimed(7));
  });

  test("claim() of many at once gives each id to one", async (store) => {
    const all = await Promise.all(
      Array.from(
        { length: 50 },
        (_, at) => claimFor(store, 7, `CN=${at},OU=COMPUTERS`),
      ),
    );
    const tags = all.map(({ tag }) => tag);
    expect(tags.filter((tag) => tag === "first").length).toBe(1);
    expect(tags.filter((tag) => tag === "taken").length).toBe(49);
  });

  test("claim() by the same subject updates name and time, and keeps the rest", async (store) => {
    await claimFor(store, 7);
    await store.seen(7, 2_000, ["ssh", "vnc"]);
    await claimFor(store, 7, ANA, "despacho", 3_000);
    expect(await store.find(7)).toEqual({
      deviceId: 7,
      name: "despacho",
      subject: ANA,
      services: ["ssh", "vnc"],
      boundAtMs: 1_000,
      seenAtMs: 3_000,
    });
    expect(await store.findByName("aula-7")).toEqual([]);
    expect((await store.findByName("DESPACHO")).length).toBe(1);
  });

  test("seen() makes no device of an id that nobody has claimed", async (store) => {
    await store.seen(7, 2_000, ["ssh"]);
    expect(await store.find(7)).toBeUndefined();
  });
}

function testQuota(test: StoreTest): void {
  test("claim() keeps a subject from holding more ids than one may", async (store) => {
    await claimMany(store, DEVICES_PER_SUBJECT_MAX_COUNT);
    const next = DEVICES_PER_SUBJECT_MAX_COUNT + 1;
    expect(await rejection(claimFor(store, next)))
      .toMatchObject({ name: "Fault", code: "quotaExceeded" });
    expect(await store.find(next)).toBeUndefined();
    // What it holds it keeps, and others are not touched.
    expect(await claimFor(store, 1)).toEqual({ tag: "bound" });
    expect(await claimFor(store, next, EVA)).toEqual({ tag: "first" });
    await store.release(1);
    expect(await claimFor(store, next + 1)).toEqual({ tag: "first" });
    const devices = await store.list({ limit: 10_000, after: 0 });
    expect(devices.length).toBe(10_000);
  });
}

function testLists(test: StoreTest): void {
  test("findByName() finds the whole name in any case, in any language, by id", async (store) => {
    await claimFor(store, 9, ANA, "ÁULA Ñ");
    await claimFor(store, 2, ANA, "a\u0301ula ñ");
    await claimFor(store, 3, ANA, "aula n");
    const ids = async (name: string) =>
      (await store.findByName(name)).map(({ deviceId }) => deviceId);
    expect(await ids("áula Ñ")).toEqual([2, 9]);
    expect(await ids("AULA N")).toEqual([3]);
    for (const none of ["aula", "aula_n", "aula*", "' OR 1=1 --", "%"]) {
      expect(await ids(none)).toEqual([]);
    }
  });

  test("findByName() returns a bounded number of namesakes", async (store) => {
    await claimMany(store, NAMESAKES_MAX_COUNT + 5, "same");
    const found = await store.findByName("SAME");
    expect(found.length).toBe(NAMESAKES_MAX_COUNT);
  });

  test("list() turns pages by id", async (store) => {
    for (const id of [30, 2, 2 ** 31 - 1, 7]) await claimFor(store, id);
    const page = async (limit: number, after: number) =>
      (await store.list({ limit, after })).map(({ deviceId }) => deviceId);
    expect(await store.list({ limit: 2, after: 0 }))
      .toEqual([claimed(2), claimed(7)]);
    expect(await page(2, 7)).toEqual([30, 2 ** 31 - 1]);
    expect(await page(10, 2 ** 31 - 1)).toEqual([]);
  });

  test("release() frees an id for the next subject, and says if it was bound", async (store) => {
    await claimFor(store, 7);
    expect(await store.release(7)).toBe(true);
    expect(await store.release(7)).toBe(false);
    expect(await store.find(7)).toBeUndefined();
    expect(await claimFor(store, 7, EVA)).toEqual({ tag: "first" });
  });
}
