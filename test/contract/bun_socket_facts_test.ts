/** As bun_facts_test.ts, for the sockets of Bun.connect() and Bun.listen(). */
import { expect, test } from "bun:test";
import type { Socket, SocketHandler } from "bun";
import { connect, createServer, type Socket as NetSocket } from "node:net";
import type { AddressInfo } from "node:net";
import { eventually, quiet } from "../support/eventually.ts";

const HOST = "127.0.0.1";

/** Bytes of one read, at most: the loop's buffer. */
const READ_MAX_BYTES = 512 * 1024;

/** More than the buffers of a loopback hold. */
const FLOOD_BYTES = 32 * 1024 * 1024;

interface Pair extends AsyncDisposable {
  readonly socket: Socket<unknown>;
  /** The far end; its data is read when someone listens to it. */
  readonly raw: NetSocket;
  /** What was called, without `drain`, in order. */
  readonly events: string[];
  readonly chunks: Uint8Array[];
  readonly drainCount: () => number;
}

/** What a test wants done in a call. */
type Extra = Pick<SocketHandler, "open" | "end" | "data">;

function recording(extra: Extra) {
  const events: string[] = [];
  const chunks: Uint8Array[] = [];
  let drainCount = 0;
  const handlers: SocketHandler = {
    open: (socket) => extra.open?.(socket),
    data: (socket, chunk) => {
      events.push("data");
      chunks.push(chunk);
      extra.data?.(socket, chunk);
    },
    drain: () => void drainCount++,
    end: (socket) => {
      events.push("end");
      extra.end?.(socket);
    },
    close: (_socket, error) => {
      const code = error && Reflect.get(error, "code");
      events.push(code ? `close ${code}` : "close");
    },
  };
  return { events, chunks, handlers, drainCount: () => drainCount };
}

async function dialed(extra: Extra = {}): Promise<Pair> {
  const accepted = Promise.withResolvers<NetSocket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  const { handlers, ...seen } = recording(extra);
  const socket = await Bun.connect<unknown>({
    hostname: HOST,
    port,
    allowHalfOpen: true,
    socket: handlers,
  });
  const raw = await accepted.promise;
  server.close();
  return pairOf(socket, raw, seen);
}

async function accepted(extra: Extra = {}): Promise<Pair> {
  const opened = Promise.withResolvers<Socket<unknown>>();
  const { handlers, ...seen } = recording({
    ...extra,
    open: (socket) => {
      extra.open?.(socket);
      opened.resolve(socket);
    },
  });
  const listener = Bun.listen<unknown>({
    hostname: HOST,
    port: 0,
    allowHalfOpen: true,
    exclusive: true,
    socket: handlers,
  });
  const raw = connect({ host: HOST, port: listener.port, allowHalfOpen: true });
  await new Promise((resolve) => raw.once("connect", resolve));
  const socket = await opened.promise;
  listener.stop();
  return pairOf(socket, raw, seen);
}

function pairOf(
  socket: Socket<unknown>,
  raw: NetSocket,
  seen: Pick<Pair, "events" | "chunks" | "drainCount">,
): Pair {
  raw.on("error", () => raw.destroy());
  return {
    socket,
    raw,
    ...seen,
    [Symbol.asyncDispose]: () => {
      socket.terminate();
      raw.destroy();
      return Promise.resolve();
    },
  };
}

function gone(events: readonly string[]): () => boolean {
  return () => events.at(-1)?.startsWith("close") ?? false;
}

/** Resolves when the kernel has taken it. */
function sent(raw: NetSocket, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => raw.write(bytes, () => resolve()));
}

function ended(raw: NetSocket, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => raw.end(bytes, () => resolve()));
}

for (const open of [dialed, accepted]) {
  const name = `a socket of Bun's that was ${open.name}`;

  test(`${name} reads chunks that have memory of their own`, async () => {
    await using pair = await open();
    const sizes = [4_000_000, 40_000, 1_100, 1];
    let sentBytes = 0;
    for (const size of sizes) {
      await sent(pair.raw, new Uint8Array(size));
      sentBytes += size;
      await eventually("all", () => lengthOf(pair.chunks) === sentBytes);
    }
    for (const { byteLength, buffer } of pair.chunks) {
      expect(buffer.byteLength).toBe(byteLength);
      expect(byteLength).toBeLessThanOrEqual(READ_MAX_BYTES);
    }
    const memories = new Set(pair.chunks.map(({ buffer }) => buffer));
    expect(memories.size).toBe(pair.chunks.length);
  });

  test(`${name} takes what fits, keeps nothing, and says when more does`, async () => {
    await using pair = await open();
    const { socket, raw } = pair;
    const flood = new Uint8Array(FLOOD_BYTES);
    let takenBytes = socket.write(flood);
    expect(takenBytes).toBeGreaterThan(0);
    expect(takenBytes).toBeLessThan(FLOOD_BYTES);
    const drainCount = pair.drainCount();
    // Even while it reads nothing.
    socket.pause();
    let receivedBytes = 0;
    raw.on("data", (chunk) => receivedBytes += chunk.length);
    await eventually("drain", () => pair.drainCount() > drainCount);
    await eventually("all taken", () => receivedBytes === takenBytes);
    takenBytes += socket.write(flood, 10, 20);
    await eventually("a part", () => receivedBytes === takenBytes);
    expect(takenBytes).toBe(socket.bytesWritten);
    socket.terminate();
    expect(socket.write(flood)).toBe(-1);
  });

  test(`${name} reads no more once it is paused in the call of a read`, async () => {
    let isPaused = false;
    let lateCount = 0;
    await using pair = await open({
      data: (socket) => {
        if (isPaused) lateCount++;
        isPaused = true;
        socket.pause();
        setImmediate(() => {
          isPaused = false;
          socket.resume();
        });
      },
    });
    await sent(pair.raw, new Uint8Array(FLOOD_BYTES));
    await eventually("all", () => lengthOf(pair.chunks) === FLOOD_BYTES);
    expect(lateCount).toBe(0);
  });

  test(`${name} and paused in open leaves all with the kernel`, async () => {
    await using pair = await open({ open: (socket) => socket.pause() });
    await ended(pair.raw, "early");
    Bun.gc(true);
    expect(await quiet(() => pair.events.join())).toBe("");
    pair.socket.shutdown();
    expect(await quiet(() => pair.events.join())).toBe("");
    pair.socket.resume();
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["data", "close"]);
  });

  test(`${name} stays open after the far end's end, until its own`, async () => {
    const eventsAtShutdown: string[] = [];
    await using pair = await open();
    const { socket, raw, events } = pair;
    await ended(raw, "");
    await eventually("an end", () => events.includes("end"));
    let heard = "";
    raw.on("data", (chunk) => heard += String(chunk));
    expect(socket.write("answer")).toBe(6);
    await eventually("an answer", () => heard === "answer");
    socket.shutdown();
    // Not in the call itself.
    eventsAtShutdown.push(...events);
    await eventually("a close", gone(events));
    expect([eventsAtShutdown, events]).toEqual([["end"], ["end", "close"]]);
  });

  test(`${name} and has ended tells of the far end's end by its close alone`, async () => {
    await using pair = await open();
    pair.socket.shutdown();
    expect(pair.socket.write("x")).toBe(-1);
    await ended(pair.raw, "late");
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["data", "close"]);
  });

  test(`terminate() of ${name} is a reset for the far end`, async () => {
    await using pair = await open();
    const code = new Promise((resolve) =>
      pair.raw.on("error", (error) => resolve(Reflect.get(error, "code")))
    );
    pair.socket.terminate();
    // In the call itself.
    expect(pair.events).toEqual(["close"]);
    expect(await code).toBe("ECONNRESET");
  });

  test(`${name} tells a reset by the error of its close`, async () => {
    await using pair = await open();
    pair.raw.resetAndDestroy();
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["close ECONNRESET"]);
  });

  test(`${name} tells a reset after the far end's end by another error`, async () => {
    await using pair = await open();
    await ended(pair.raw, "");
    await eventually("an end", () => pair.events.includes("end"));
    pair.raw.resetAndDestroy();
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["end", "close EPIPE"]);
  });

  test(`${name} and paused tells a reset at once, and what came before it`, async () => {
    await using pair = await open({ open: (socket) => socket.pause() });
    await sent(pair.raw, "last words");
    pair.raw.resetAndDestroy();
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["data", "close ECONNRESET"]);
  });

  test(`${name} that meets a reset by writing tells it by that write alone`, async () => {
    await using pair = await open();
    pair.raw.resetAndDestroy();
    expect(pair.socket.write("x")).toBe(-1);
    await eventually("a close", gone(pair.events));
    expect(pair.events).toEqual(["end", "close"]);
  });
}

test("a port of Bun.listen() is free again at once, and for one alone", async () => {
  const pair = await accepted({ open: (socket) => socket.shutdown() });
  const port = pair.socket.localPort;
  // Who ends first keeps the port for a while (RFC 9293 §3.6.1).
  await ended(pair.raw, "");
  await eventually("a close", gone(pair.events));
  const options = { hostname: HOST, port, exclusive: true };
  const socket = { data() {} };
  using listener = Bun.listen({ ...options, socket });
  expect(listener.port).toBe(port);
  expect(() => Bun.listen({ ...options, socket }))
    .toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
});

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
}
