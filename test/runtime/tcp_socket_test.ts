import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { Fault } from "../../src/protocol/fault.ts";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import { dialTcp, listenTcp } from "../../src/runtime/tcp_socket.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
import { fullBacklog } from "../support/full_backlog.ts";
import { rejection } from "../support/rejection.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const NEVER = new AbortController().signal;

/** Long enough for a loopback, and short enough for a test. */
const DIAL_TIMEOUT_MS = 5_000;

function said(error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  return { code: error.code, message: error.message, hinted: !!error.hint };
}

async function closedPort(): Promise<number> {
  const listener = await listenTcp(LOOPBACK, (socket) => socket.reset());
  await listener[Symbol.asyncDispose]();
  return listener.port;
}

test("dialTcp() says that nothing listens, and where", async () => {
  const address = { host: "127.0.0.1", port: await closedPort() };
  const error = await rejection(dialTcp(address, DIAL_TIMEOUT_MS, NEVER));
  expect(said(error)).toEqual({
    code: "serviceRefused",
    message:
      `Cannot reach 127.0.0.1:${address.port}: the connection was refused`,
    hinted: true,
  });
});

test("dialTcp() puts an IPv6 address in brackets", async () => {
  const address = { host: "::1", port: await closedPort() };
  const error = await rejection(dialTcp(address, DIAL_TIMEOUT_MS, NEVER));
  expect(String(error)).toStartWith(
    `Fault: Cannot reach [::1]:${address.port}:`,
  );
});

test("dialTcp() says that a name is not found", async () => {
  const address = { host: "nowhere.invalid", port: 22 };
  const error = await rejection(dialTcp(address, DIAL_TIMEOUT_MS, NEVER));
  expect(said(error)).toEqual({
    code: "serviceRefused",
    message: "Cannot reach nowhere.invalid:22: its name was not found",
    hinted: true,
  });
});

test("dialTcp() connects to a name", async () => {
  const accepted = Promise.withResolvers<string>();
  await using listener = await listenTcp(LOOPBACK, (socket, remoteAddress) => {
    socket.reset();
    accepted.resolve(remoteAddress);
  });
  const address = { host: "localhost", port: listener.port };
  const socket = await dialTcp(address, DIAL_TIMEOUT_MS, NEVER);
  expect(await accepted.promise).toBe("127.0.0.1");
  socket.reset();
});

testUnless(notLinux())(
  "dialTcp() gives up on a host that does not answer",
  async () => {
    using full = await fullBacklog();
    const startMs = performance.now();
    const error = await rejection(dialTcp(full.address, 150, NEVER));
    const elapsedMs = performance.now() - startMs;
    expect(said(error)).toEqual({
      code: "serviceRefused",
      message:
        `Cannot reach 127.0.0.1:${full.address.port}: it did not answer in time`,
      hinted: true,
    });
    expect(elapsedMs).toBeGreaterThan(140);
    expect(elapsedMs).toBeLessThan(1_000);
  },
);

testUnless(notLinux())(
  "dialTcp() stops at once when it is told to",
  async () => {
    using full = await fullBacklog();
    const stop = new AbortController();
    const dialing = dialTcp(full.address, DIAL_TIMEOUT_MS, stop.signal);
    const reason = new Error("Told to");
    const startMs = performance.now();
    stop.abort(reason);
    expect(await rejection(dialing)).toBe(reason);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  },
);

test("dialTcp() breaks off what connects after it was given up", async () => {
  const accepted = Promise.withResolvers<ByteSocket>();
  await using listener = await listenTcp(LOOPBACK, accepted.resolve);
  const stop = new AbortController();
  const dialing = dialTcp(listener, DIAL_TIMEOUT_MS, stop.signal);
  const reason = new Error("Told to");
  stop.abort(reason);
  expect(await rejection(dialing)).toBe(reason);
  const heard = hear(await accepted.promise);
  await heard.closed;
  expect(heard.events).toEqual(["closed streamReset"]);
});

test("dialTcp() does not begin when it was told to stop before", async () => {
  let count = 0;
  await using listener = await listenTcp(LOOPBACK, () => void count++);
  const reason = new Error("Told to");
  const dialing = dialTcp(listener, DIAL_TIMEOUT_MS, AbortSignal.abort(reason));
  expect(await rejection(dialing)).toBe(reason);
  const socket = await dialTcp(listener, DIAL_TIMEOUT_MS, NEVER);
  socket.reset();
  expect(count).toBeLessThan(2);
});

test("dialTcp() lets go of its deadline and signal once connected", async () => {
  await using listener = await listenTcp(LOOPBACK, (socket) => {
    socket.handle({
      data: (chunk) => void socket.write(chunk),
      end: () => socket.end(),
      drain: () => undefined,
      closed: () => undefined,
    });
  });
  const stop = new AbortController();
  const dialTimeoutMs = 50;
  const socket = await dialTcp(listener, dialTimeoutMs, stop.signal);
  stop.abort();
  await bunClock.sleep(dialTimeoutMs + 10, NEVER);
  const heard = hear(socket);
  socket.write(new TextEncoder().encode("still here"));
  socket.end();
  await heard.closed;
  expect(heard.events).toEqual(["still here", "end", "closed cleanly"]);
});

test("listenTcp() says that the port is taken", async () => {
  await using listener = await listenTcp(LOOPBACK, (socket) => socket.reset());
  const { host, port } = listener;
  const error = await rejection(listenTcp({ host, port }, () => {}));
  expect(said(error)).toEqual({
    code: "configInvalid",
    message:
      `Cannot listen on 127.0.0.1:${port}: another program listens there`,
    hinted: true,
  });
});

test("listenTcp() says that an address is not this computer's", async () => {
  // 192.0.2.0/24 is nobody's (RFC 5737 §3).
  const error = await rejection(
    listenTcp({ host: "192.0.2.1", port: 0 }, () => {}),
  );
  expect(said(error)).toEqual({
    code: "configInvalid",
    message:
      "Cannot listen on 192.0.2.1:0: this computer does not have that address",
    hinted: true,
  });
});

test("listenTcp() says that a name cannot be listened on", async () => {
  const error = await rejection(
    listenTcp({ host: "nowhere.invalid", port: 0 }, () => {}),
  );
  expect(said(error)).toEqual({
    code: "configInvalid",
    message: "Cannot listen on nowhere.invalid:0: the address cannot be used",
    hinted: true,
  });
});

test("A TCP listener that is disposed of refuses, and lets the open go on", async () => {
  const accepted = Promise.withResolvers<ByteSocket>();
  const listener = await listenTcp(LOOPBACK, accepted.resolve);
  const raw = connect({ host: listener.host, port: listener.port });
  const socket = await accepted.promise;
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  const { host, port } = listener;
  const error = await rejection(dialTcp({ host, port }, 1_000, NEVER));
  expect((error as Fault).code).toBe("serviceRefused");
  socket.write(new TextEncoder().encode("still here"));
  const heard = await new Promise((resolve) => raw.once("data", resolve));
  expect(String(heard)).toBe("still here");
  socket.reset();
});

test("A TCP socket refuses a second owner, and bytes after its end", async () => {
  await using listener = await listenTcp(LOOPBACK, (socket) => socket.end());
  const socket = await dialTcp(listener, DIAL_TIMEOUT_MS, NEVER);
  const handlers = { data() {}, end() {}, drain() {}, closed() {} };
  socket.handle(handlers);
  expect(() => socket.handle(handlers)).toThrow("twice");
  socket.end();
  expect(() => socket.write(Uint8Array.of(1))).toThrow("after end()");
  socket.reset();
});

test("A TCP socket that meets a reset by writing says that it was broken off", async () => {
  await using pair = await openPair();
  const heard = hear(pair.socket);
  pair.raw.resetAndDestroy();
  // In the same turn: nobody has read the reset yet.
  expect(pair.socket.write(Uint8Array.of(1))).toBe(false);
  expect(heard.events).toEqual([]);
  await heard.closed;
  expect(pair.socket.write(Uint8Array.of(1))).toBe(false);
  expect(heard.events).toEqual(["closed streamReset"]);
});

test("A paused TCP socket calls no reset a clean end, whatever came before it", async () => {
  await using pair = await openPair();
  const heard = hear(pair.socket);
  pair.socket.pause();
  await new Promise<void>((resolve) => pair.raw.end("last words", resolve));
  pair.raw.resetAndDestroy();
  pair.socket.end();
  await heard.closed;
  expect(heard.events.at(-1)).toBe("closed streamReset");
  expect(heard.events).not.toContain("end");
});

test("A TCP socket tells of its end once, who ever asks at that moment", async () => {
  await using pair = await openPair();
  pair.socket.reset();
  // Its close waits to be told already.
  const heard = hear(pair.socket);
  await heard.closed;
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard.events).toEqual(["closed streamReset"]);
});

/** Writes down what `socket` says. */
function hear(socket: ByteSocket) {
  const events: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.handle({
    data: (chunk) => void events.push(new TextDecoder().decode(chunk)),
    end: () => void events.push("end"),
    drain: () => void events.push("drain"),
    closed: (fault) => {
      events.push(`closed ${fault?.code ?? "cleanly"}`);
      resolve();
    },
  });
  return { events, closed: promise };
}

async function openPair() {
  const accepted = Promise.withResolvers<ByteSocket>();
  const listener = await listenTcp(LOOPBACK, accepted.resolve);
  const raw: Socket = connect({ host: listener.host, port: listener.port });
  raw.on("error", () => raw.destroy());
  const connected = new Promise((resolve) => raw.once("connect", resolve));
  const [socket] = await Promise.all([accepted.promise, connected]);
  return {
    raw,
    socket,
    [Symbol.asyncDispose]: async () => {
      raw.destroy();
      socket.reset();
      await listener[Symbol.asyncDispose]();
    },
  };
}
