import { expect, test } from "bun:test";
import { UnreadBytes } from "../../src/transport/unread_bytes.ts";
import { listen, V1Bench } from "./v1_bench.ts";

const MIB = 1024 * 1024;
const CHUNK = new Uint8Array(64 * 1024).fill(7);

/** How long the peer needs to send all of this, in ms of the clock. */
async function send(
  bench: V1Bench,
  id: string,
  bytes: number,
): Promise<number> {
  const startMs = bench.clock.now();
  for (let sent = 0; sent < bytes; sent += CHUNK.byteLength) {
    bench.hearData(id, CHUNK);
    // The wire is empty when all has arrived: it waits while we do not read.
    while (bench.far.bufferedBytes > 0) await bench.clock.advance(10);
    await bench.clock.advance(0);
  }
  while (bench.near.isPaused) await bench.clock.advance(10);
  return bench.clock.now() - startMs;
}

test("a tunnel whose reader stands still makes its link slower for a moment, and stops nobody", async () => {
  const bench = new V1Bench();
  const stuck = bench.open("stuck");
  const other = bench.open("other");
  stuck.tunnel.pause();
  expect(await send(bench, "stuck", MIB)).toBe(0);
  // It may move again: until half a second is over.
  const ms = await send(bench, "stuck", 8 * MIB);
  expect(ms).toBeGreaterThan(400);
  expect(ms).toBeLessThan(1_000);
  for (let turn = 0; turn < 20; turn++) {
    bench.hearData("stuck", CHUNK);
    bench.hearData("other", CHUNK);
    await bench.clock.advance(100);
  }
  await bench.clock.advance(1_000);
  expect(other.heard.bytes).toBe(20 * CHUNK.byteLength);
  expect(stuck.heard).toEqual({ bytes: 0, calls: [] });
  expect(bench.said).toEqual([]);
});

test("a tunnel that is alone with its still reader fills for a minute", async () => {
  const bench = new V1Bench();
  const { tunnel } = bench.open("stuck");
  tunnel.pause();
  await send(bench, "stuck", MIB);
  // 1 MiB/s: 64 MiB are what it may have.
  const ms = await send(bench, "stuck", 4 * MIB);
  expect(ms).toBeGreaterThan(3_900);
  expect(ms).toBeLessThan(5_000);
});

test("a reader that is slow and moves loses nothing", async () => {
  const bench = new V1Bench();
  const tunnel = bench.link.openTunnel("slow");
  bench.open("other");
  let gotBytes = 0;
  let mostBytes = 0;
  tunnel.handle({
    data: (chunk) => {
      gotBytes += chunk.byteLength;
      tunnel.pause();
    },
    end: () => undefined,
    drain: () => undefined,
    closed: () => gotBytes = -1,
  });
  const totalBytes = 24 * MIB;
  let sentBytes = 0;
  while (gotBytes < totalBytes) {
    if (sentBytes < totalBytes && bench.far.bufferedBytes === 0) {
      bench.hearData("slow", CHUNK);
      sentBytes += CHUNK.byteLength;
    }
    await bench.clock.advance(10);
    mostBytes = Math.max(mostBytes, tunnel.unreadBytes);
    // One chunk of 64 KiB each 40 ms: 1.6 MiB/s, less than is let through.
    if (bench.clock.now() % 40 === 0) tunnel.resume();
  }
  expect(gotBytes).toBe(totalBytes);
  expect(mostBytes).toBeGreaterThan(MIB);
  expect(mostBytes).toBeLessThan(16 * MIB);
});

test("a tunnel is closed when its reader stands still with 64 MiB unread, and the others go on", async () => {
  const bench = new V1Bench();
  const stuck = bench.open("stuck");
  const other = bench.open("other");
  stuck.tunnel.pause();
  const feed = (mib: number) => {
    for (let at = 0; at < mib; at++) {
      bench.link.feed("stuck", new Uint8Array(MIB));
    }
  };
  feed(65);
  await bench.clock.advance(9_999);
  feed(1);
  expect(stuck.tunnel.over.aborted).toBe(false);
  await bench.clock.advance(1);
  feed(1);
  await bench.settle();
  expect(bench.said).toEqual([{
    type: "close_tcp_tunnel",
    tunnel_id: "stuck",
  }]);
  expect([bench.near.isPaused, bench.link.tunnelCount]).toEqual([false, 1]);
  stuck.tunnel.resume();
  await bench.settle();
  expect(stuck.heard).toEqual({ bytes: 0, calls: ["closed quotaExceeded"] });
  bench.hearData("other", CHUNK);
  await bench.settle();
  expect(other.heard.bytes).toBe(CHUNK.byteLength);
});

test("a reader that has just taken something is not given up at 64 MiB, but at twice that", async () => {
  const bench = new V1Bench();
  const tunnel = bench.link.openTunnel("burst");
  const heard = listen(tunnel);
  tunnel.pause();
  for (let at = 0; at < 128; at++) {
    bench.link.feed("burst", new Uint8Array(MIB));
  }
  expect(tunnel.over.aborted).toBe(false);
  bench.link.feed("burst", new Uint8Array(MIB));
  tunnel.resume();
  await bench.settle();
  expect(heard.calls).toEqual(["closed quotaExceeded"]);
});

test("who stands still gives way when all links together hold too much", async () => {
  const unread = new UnreadBytes(16 * MIB);
  const one = new V1Bench(undefined, unread);
  const other = new V1Bench(undefined, unread);
  const stuck = one.open("stuck");
  const busy = other.link.openTunnel("busy");
  const heard = listen(busy);
  stuck.tunnel.pause();
  busy.pause();
  one.link.feed("stuck", new Uint8Array(4 * MIB));
  other.link.feed("busy", new Uint8Array(4 * MIB));
  await one.clock.advance(10_000);
  expect([stuck.tunnel.over.aborted, unread.isFull]).toEqual([false, false]);
  other.link.feed("busy", new Uint8Array(9 * MIB));
  one.link.feed("stuck", new Uint8Array(1));
  expect([stuck.tunnel.over.aborted, unread.bytes]).toEqual([true, 13 * MIB]);
  busy.resume();
  expect([heard, unread.bytes]).toEqual([{ bytes: 13 * MIB, calls: [] }, 0]);
});

test("what a lost link held is held no more", async () => {
  const unread = new UnreadBytes(MIB);
  const bench = new V1Bench(undefined, unread);
  const { tunnel } = bench.open("stuck");
  tunnel.pause();
  bench.link.feed("stuck", new Uint8Array(MIB));
  expect(unread.bytes).toBe(MIB);
  bench.far.terminate();
  await bench.settle();
  expect(unread.bytes).toBe(0);
});

test("a new tunnel does not wait for what an old one owes", async () => {
  const bench = new V1Bench();
  const stuck = bench.open("stuck");
  stuck.tunnel.pause();
  await send(bench, "stuck", MIB);
  bench.hearData("stuck", CHUNK);
  await bench.settle();
  expect(bench.near.isPaused).toBe(true);
  const { heard } = bench.open("new");
  bench.hearData("new", CHUNK);
  await bench.settle();
  expect(heard.bytes).toBe(CHUNK.byteLength);
});

test("a tunnel that is given up frees its link at once", async () => {
  const bench = new V1Bench();
  const stuck = bench.open("stuck");
  stuck.tunnel.pause();
  await send(bench, "stuck", MIB);
  bench.hearData("stuck", CHUNK);
  bench.hearData("stuck", CHUNK);
  await bench.settle();
  stuck.tunnel.reset();
  await bench.settle();
  expect([bench.near.isPaused, bench.clock.sleeperCount]).toEqual([false, 0]);
});
