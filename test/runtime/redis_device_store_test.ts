import {
  afterAll,
  beforeAll,
  beforeEach,
  expect,
  test as bunTest,
} from "bun:test";
import { RedisDeviceStore } from "../../src/runtime/redis_device_store.ts";
import {
  ANA,
  claimed,
  claimFor,
  EVA,
  testDeviceStore,
} from "../contract/device_store_contract.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { RedisBench } from "../support/redis_bench.ts";
import { testUnless } from "../support/test_unless.ts";

const missing = redisMissing();
const test = testUnless(missing);

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

testDeviceStore(() => {
  const nothing = () => Promise.resolve();
  return Promise.resolve({ store, [Symbol.asyncDispose]: nothing });
}, test as typeof bunTest);

test("what is bound to nobody leaves no trace", async () => {
  await store.seen(7, 2_000, ["ssh"]);
  await claimFor(store, 7);
  await store.release(7);
  expect(await redis.ask("KEYS", "*")).toEqual([]);
});

test("restore() brings back a device as it was, and takes none from anybody", async () => {
  const device = { ...claimed(7), services: ["ssh"], seenAtMs: 5_000 };
  await store.restore(device);
  expect(await store.find(7)).toEqual(device);
  expect(await claimFor(store, 7, EVA)).toEqual({ tag: "taken", subject: ANA });
  await store.restore({ ...device, subject: EVA, name: "other" });
  expect(await store.find(7)).toEqual(device);
  expect(await store.findByName("aula-7")).toEqual([device]);
  expect(await store.list({ limit: 9, after: 0 })).toEqual([device]);
});

test("a subject of any characters is data, and no part of a script", async () => {
  const odd = 'CN=x" .. redis.call("FLUSHALL") .. ",OU=COMPUTERS\\';
  expect(await claimFor(store, 7, odd, '"]]\n')).toEqual({ tag: "first" });
  expect(await store.find(7)).toMatchObject({ subject: odd, name: '"]]\n' });
});
