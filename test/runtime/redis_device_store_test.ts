import { afterAll, beforeAll, beforeEach, expect } from "bun:test";
import type { StoredDevice } from "../../src/policy/device_store.ts";
import { RedisDeviceStore } from "../../src/runtime/redis_device_store.ts";
import {
  DEVICES_PER_SUBJECT_MAX_COUNT,
  NAMESAKES_MAX_COUNT,
} from "../../src/runtime/sqlite_device_store.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { RedisBench } from "../support/redis_bench.ts";
import { rejection } from "../support/rejection.ts";
import { testUnless } from "../support/test_unless.ts";

const missing = redisMissing();
const test = testUnless(missing);

const ANA = "CN=ana,OU=COMPUTERS";
const EVA = "CN=eva,OU=COMPUTERS";

let redis: Redis;
let bench: RedisBench;
let store: RedisDeviceStore;

beforeAll(async () => {
  if (missing !== undefined) return;
  redis = await Redis.start();
  bench = new RedisBench(redis.url);
  await bench.until(1);
  store = new RedisDeviceStore(bench.connection);
}, 20_000);

beforeEach(async () => {
  if (missing === undefined) await redis.ask("FLUSHALL");
});

afterAll(async () => {
  await bench?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
}, 20_000);

function claim(
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

/** Claims many at once, as a fleet that comes back does. */
async function claimMany(count: number, name?: string): Promise<void> {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  for (let at = 0; at < count; at += 1_000) {
    await Promise.all(
      ids.slice(at, at + 1_000).map((id) => claim(id, ANA, name)),
    );
  }
}

test("claim() binds an id to the first subject, and to no other", async () => {
  expect(await claim(7)).toEqual({ tag: "first" });
  expect(await claim(7)).toEqual({ tag: "bound" });
  expect(await claim(7, EVA, "stolen", 9_999))
    .toEqual({ tag: "taken", subject: ANA });
  expect(await claim(8, EVA)).toEqual({ tag: "first" });
  expect(await store.find(7)).toEqual(claimed(7));
});

test("claim() of many at once gives each id to one", async () => {
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, at) => claim(7, `CN=${at},OU=COMPUTERS`)),
  );
  const tags = all.map(({ tag }) => tag);
  expect(tags.filter((tag) => tag === "first").length).toBe(1);
  expect(tags.filter((tag) => tag === "taken").length).toBe(49);
});

test("claim() by the same subject updates name and time, and keeps the rest", async () => {
  await claim(7);
  await store.seen(7, 2_000, ["ssh", "vnc"]);
  await claim(7, ANA, "despacho", 3_000);
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

test("seen() makes no device of an id that nobody has claimed", async () => {
  await store.seen(7, 2_000, ["ssh"]);
  expect(await store.find(7)).toBeUndefined();
  expect(await redis.ask("KEYS", "*")).toEqual([]);
});

test(
  "findByName() finds the whole name in any case, by id, not all of many",
  async () => {
    await claim(9, ANA, "ÁULA Ñ");
    await claim(2, ANA, "a\u0301ula ñ");
    await claim(3, ANA, "aula n");
    const ids = async (name: string) =>
      (await store.findByName(name)).map(({ deviceId }) => deviceId);
    expect(await ids("áula Ñ")).toEqual([2, 9]);
    expect(await ids("AULA N")).toEqual([3]);
    expect(await ids("aula*")).toEqual([]);
    await redis.ask("FLUSHALL");
    await claimMany(NAMESAKES_MAX_COUNT + 5, "same");
    expect((await ids("SAME")).length).toBe(NAMESAKES_MAX_COUNT);
  },
  20_000,
);

test("list() turns pages by id", async () => {
  for (const id of [30, 2, 2 ** 31 - 1, 7]) await claim(id);
  const page = async (limit: number, after: number) =>
    (await store.list({ limit, after })).map(({ deviceId }) => deviceId);
  expect(await store.list({ limit: 2, after: 0 }))
    .toEqual([claimed(2), claimed(7)]);
  expect(await page(2, 7)).toEqual([30, 2 ** 31 - 1]);
  expect(await page(10, 2 ** 31 - 1)).toEqual([]);
});

test("release() frees an id for the next subject, and leaves no trace", async () => {
  await claim(7);
  expect(await store.release(7)).toBe(true);
  expect(await store.release(7)).toBe(false);
  expect(await redis.ask("KEYS", "*")).toEqual([]);
  expect(await claim(7, EVA)).toEqual({ tag: "first" });
});

test("claim() keeps a subject from holding more ids than one may", async () => {
  await claimMany(DEVICES_PER_SUBJECT_MAX_COUNT);
  const next = DEVICES_PER_SUBJECT_MAX_COUNT + 1;
  expect(await rejection(claim(next))).toMatchObject({ code: "quotaExceeded" });
  expect(await store.find(next)).toBeUndefined();
  expect(await claim(1)).toEqual({ tag: "bound" });
  expect(await claim(next, EVA)).toEqual({ tag: "first" });
  await store.release(1);
  expect(await claim(next + 1)).toEqual({ tag: "first" });
  const devices = await store.list({ limit: 10_000, after: 0 });
  expect(devices.length).toBe(10_000);
}, 30_000);

test("restore() brings back a device as it was, and takes none from anybody", async () => {
  const device = { ...claimed(7), services: ["ssh"], seenAtMs: 5_000 };
  await store.restore(device);
  expect(await store.find(7)).toEqual(device);
  expect(await claim(7, EVA)).toEqual({ tag: "taken", subject: ANA });
  await store.restore({ ...device, subject: EVA, name: "other" });
  expect(await store.find(7)).toEqual(device);
  expect(await store.findByName("aula-7")).toEqual([device]);
  expect(await store.list({ limit: 9, after: 0 })).toEqual([device]);
});

test("a subject of any characters is data, and no part of a script", async () => {
  const odd = 'CN=x" .. redis.call("FLUSHALL") .. ",OU=COMPUTERS\\';
  expect(await claim(7, odd, '"]]\n')).toEqual({ tag: "first" });
  expect(await store.find(7)).toMatchObject({ subject: odd, name: '"]]\n' });
});
