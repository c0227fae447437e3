import { expect } from "bun:test";
import { RedisConnection } from "../../src/runtime/redis_connection.ts";
import { freePort } from "../support/free_port.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { RedisBench } from "../support/redis_bench.ts";
import { rejection } from "../support/rejection.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";

const test = testUnless(redisMissing());

const AWAY = { code: "gatewayRefused" };

test(
  "RedisConnection says once that nobody is there, and refuses questions at once",
  async () => {
    const port = await freePort();
    await using bench = new RedisBench(`redis://127.0.0.1:${port}`);
    await bench.until(1);
    const startMs = performance.now();
    expect(await rejection(bench.connection.command("PING", [])))
      .toMatchObject({
        ...AWAY,
        message: "Cannot ask Redis: it does not answer",
      });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(bench.connection.isUp).toBe(false);
    expect(bench.events).toEqual([
      `Cannot ask Redis: no connection to 127.0.0.1:${port}, ` +
      "or it wants a password",
    ]);
  },
  20_000,
);

test("RedisConnection stops when it is told to while it connects", async () => {
  await using redis = await Redis.start();
  const bench = new RedisBench(redis.url);
  await bench[Symbol.asyncDispose]();
  expect([bench.events, bench.connection.isUp]).toEqual([[], false]);
}, 20_000);

test(
  "RedisConnection tells the loss and the return of its server",
  async () => {
    await using redis = await Redis.start();
    await using bench = new RedisBench(redis.url);
    await bench.until(1);
    expect(await bench.connection.command("PING", [])).toBe("PONG");
    await redis.kill();
    await bench.until(2);
    await redis.restart();
    await bench.until(3);
    expect(await bench.connection.command("PING", [])).toBe("PONG");
    expect(bench.events).toEqual([
      "connected",
      "Cannot ask Redis: the connection broke off",
      "connected",
    ]);
  },
  30_000,
);

test(
  "RedisConnection wants the right password, and does not repeat a wrong one",
  async () => {
    await using redis = await Redis.start("right");
    await using right = new RedisBench(redis.url);
    await right.until(1);
    expect(right.events).toEqual(["connected"]);
    for (const user of ["", ":wrongpass@"]) {
      const url = `redis://${user}127.0.0.1:${redis.port}`;
      await using bench = new RedisBench(url);
      await bench.until(1);
      expect(bench.events).toEqual([
        `Cannot ask Redis: no connection to 127.0.0.1:${redis.port}, ` +
        "or it wants a password",
      ]);
    }
  },
  30_000,
);

test(
  "RedisConnection waits 2 s for a server that stands still, and not again",
  async () => {
    await using redis = await Redis.start();
    await using bench = new RedisBench(redis.url);
    await bench.until(1);
    redis.signal("SIGSTOP");
    const startMs = performance.now();
    const answers = await Promise.all(
      [1, 2, 3].map(() => rejection(bench.connection.command("PING", []))),
    );
    const ms = performance.now() - startMs;
    for (const answer of answers) expect(answer).toMatchObject(AWAY);
    expect(ms).toBeGreaterThan(1_900);
    expect(ms).toBeLessThan(3_500);
    await bench.until(2);
    const againMs = performance.now();
    expect(await rejection(bench.connection.command("PING", [])))
      .toMatchObject(AWAY);
    expect(performance.now() - againMs).toBeLessThan(1_000);
    redis.signal("SIGCONT");
    await bench.until(3);
    expect(await bench.connection.command("PING", [])).toBe("PONG");
  },
  30_000,
);

test(
  "RedisConnection gives up on whoever takes connections and says nothing",
  async () => {
    await using silent = await serveTcp(() => undefined);
    await using bench = new RedisBench(`redis://127.0.0.1:${silent.port}`);
    await bench.until(1);
    expect(bench.events[0]).toContain("no connection to");
  },
  30_000,
);

test("RedisConnection tells what the server answers, and goes on", async () => {
  await using redis = await Redis.start();
  await using bench = new RedisBench(redis.url);
  await bench.until(1);
  await bench.connection.command("SET", ["text", "x"]);
  expect(await rejection(bench.connection.command("LPOP", ["text"])))
    .toMatchObject({
      ...AWAY,
      message: expect.stringMatching(/^Cannot ask Redis: it says WRONGTYPE /),
    });
  expect(await bench.connection.command("GET", ["text"])).toBe("x");
  expect(bench.events).toEqual(["connected"]);
}, 30_000);

test("RedisConnection bounds the questions that wait", async () => {
  await using redis = await Redis.start();
  await using bench = new RedisBench(redis.url);
  await bench.until(1);
  redis.signal("SIGSTOP");
  const answers = await Promise.all(
    Array.from(
      { length: 8_200 },
      () => rejection(bench.connection.command("PING", [])),
    ),
  );
  const full = "Cannot ask Redis: 8192 questions wait for it";
  const refused = answers.filter((error) => String(error).includes(full));
  expect([answers.length, refused.length]).toEqual([8_200, 8]);
  redis.signal("SIGCONT");
}, 30_000);

test("once() leaves when its work is done", async () => {
  await using redis = await Redis.start();
  const connection = new RedisConnection(redis.url);
  const pong = await connection.once(() => connection.command("PING", []));
  expect([pong, connection.isUp]).toEqual(["PONG", false]);
  const nobody = new RedisConnection(`redis://127.0.0.1:${await freePort()}`);
  expect(await rejection(nobody.once(() => Promise.resolve())))
    .toMatchObject(AWAY);
}, 30_000);
