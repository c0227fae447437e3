import { afterAll, beforeAll } from "bun:test";
import { RedisSharedStore } from "../../src/runtime/redis_shared_store.ts";
import { testSharedStoreContract } from "../contract/shared_store_contract.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { RedisBench } from "../support/redis_bench.ts";
import { testUnless } from "../support/test_unless.ts";

const missing = redisMissing();

let redis: Redis;

beforeAll(async () => {
  if (missing === undefined) redis = await Redis.start("secret");
}, 20_000);

afterAll(async () => await redis?.[Symbol.asyncDispose](), 20_000);

testSharedStoreContract("A store in Redis", async () => {
  await redis.ask("FLUSHALL");
  const bench = new RedisBench(redis.url, "mine");
  await bench.until(1);
  return {
    store: new RedisSharedStore(bench.connection),
    // By its own clock: it waits so long for what nobody pushes.
    pass: async (ms) => void await redis.ask("BLPOP", "none", `${ms / 1_000}`),
    hear: () => Promise.resolve(bench.heard),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}, testUnless(missing));
