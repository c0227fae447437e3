import { expect, test } from "bun:test";
import type { StoredDevice } from "../../src/policy/device_store.ts";
import { Fault } from "../../src/protocol/fault.ts";
import {
  DEVICES_PER_SUBJECT_MAX_COUNT,
  NAMESAKES_MAX_COUNT,
  openDeviceStore,
  type SqliteDeviceStore,
} from "../../src/runtime/sqlite_device_store.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const ANA = "CN=ana,OU=COMPUTERS";
const EVA = "CN=eva,OU=COMPUTERS";

function claim(
  store: SqliteDeviceStore,
  deviceId: number,
  subject = ANA,
  name = `aula-${deviceId}`,
  nowMs = 1_000,
) {
  return store.claim({ deviceId, name, subject, nowMs });
}

/** A device as {@linkcode claim} makes it. */
function claimed(deviceId: number): StoredDevice {
  return {
    deviceId,
    name: `aula-${deviceId}`,
    subject: ANA,
    services: [],
    boundAtMs: 1_000,
    seenAtMs: 1_000,
  };
}

test("claim() binds an id to the first subject, and to no other", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  expect(claim(store, 7)).toEqual({ tag: "first" });
  expect(claim(store, 7)).toEqual({ tag: "bound" });
  expect(claim(store, 7, EVA, "stolen", 9_999)).toEqual({
    tag: "taken",
    subject: ANA,
  });
  expect(claim(store, 8, EVA)).toEqual({ tag: "first" });
  expect(store.find(7)).toEqual(claimed(7));
});

test("claim() by the same subject updates name and time, and keeps the rest", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  claim(store, 7);
  store.seen(7, 2_000, ["ssh", "vnc"]);
  claim(store, 7, ANA, "despacho", 3_000);
  expect(store.find(7)).toEqual({
    deviceId: 7,
    name: "despacho",
    subject: ANA,
    services: ["ssh", "vnc"],
    boundAtMs: 1_000,
    seenAtMs: 3_000,
  });
  expect(store.findByName("aula-7")).toEqual([]);
  expect(store.findByName("despacho").length).toBe(1);
});

test("seen() makes no device of an id that nobody has claimed", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  store.seen(7, 2_000, ["ssh"]);
  expect(store.find(7)).toBeUndefined();
});

test("findByName() finds the whole name in any case, in any language, by id", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  claim(store, 9, ANA, "ÁULA Ñ");
  claim(store, 2, ANA, "a\u0301ula ñ");
  claim(store, 3, ANA, "aula n");
  const ids = (name: string) => store.findByName(name).map((d) => d.deviceId);
  expect(ids("áula Ñ")).toEqual([2, 9]);
  expect(ids("AULA N")).toEqual([3]);
  expect(ids("aula")).toEqual([]);
  expect(ids("aula_n")).toEqual([]);
  expect(ids("' OR 1=1 --")).toEqual([]);
  expect(ids("%")).toEqual([]);
});

test("findByName() returns a bounded number of namesakes", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  for (let id = 1; id <= NAMESAKES_MAX_COUNT + 5; id++) {
    claim(store, id, ANA, "same");
  }
  expect(store.findByName("SAME").length).toBe(NAMESAKES_MAX_COUNT);
});

test("list() turns pages by id", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  for (const id of [30, 2, 2 ** 31 - 1, 7]) claim(store, id);
  const page = (limit: number, after: number) =>
    store.list({ limit, after }).map(({ deviceId }) => deviceId);
  expect(store.list({ limit: 2, after: 0 })).toEqual([claimed(2), claimed(7)]);
  expect(page(2, 7)).toEqual([30, 2 ** 31 - 1]);
  expect(page(10, 2 ** 31 - 1)).toEqual([]);
});

test("release() frees an id for the next subject, and says if it was bound", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  claim(store, 7);
  expect(store.release(7)).toBe(true);
  expect(store.release(7)).toBe(false);
  expect(store.find(7)).toBeUndefined();
  expect(claim(store, 7, EVA)).toEqual({ tag: "first" });
});

test("claim() keeps a subject from holding more ids than one may", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  for (let id = 1; id <= DEVICES_PER_SUBJECT_MAX_COUNT; id++) claim(store, id);
  const next = DEVICES_PER_SUBJECT_MAX_COUNT + 1;
  let refused: unknown;
  try {
    claim(store, next);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(Fault);
  expect((refused as Fault).code).toBe("quotaExceeded");
  expect(store.find(next)).toBeUndefined();
  // What it holds it keeps, and others are not touched.
  expect(claim(store, 1)).toEqual({ tag: "bound" });
  expect(claim(store, next, EVA)).toEqual({ tag: "first" });
  store.release(1);
  expect(claim(store, next + 1)).toEqual({ tag: "first" });
}, 20_000);

test("what was claimed is there when the store is opened again", async () => {
  await using dir = await makeTemporaryDir();
  {
    using store = openDeviceStore(dir.path);
    claim(store, 7);
  }
  using store = openDeviceStore(dir.path);
  expect(claim(store, 7, EVA)).toEqual({ tag: "taken", subject: ANA });
  expect(store.list({ limit: 10, after: 0 })).toEqual([claimed(7)]);
});

test(
  "list() of 10,000 devices takes less than a quarter of a second",
  async () => {
    await using dir = await makeTemporaryDir();
    using store = openDeviceStore(dir.path);
    for (let id = 1; id <= 10_000; id++) claim(store, id);
    const startMs = performance.now();
    const devices = store.list({ limit: 10_000, after: 0 });
    const ms = performance.now() - startMs;
    expect(devices.length).toBe(10_000);
    expect(devices[9_999]).toEqual(claimed(10_000));
    expect(ms).toBeLessThan(250);
  },
  20_000,
);
