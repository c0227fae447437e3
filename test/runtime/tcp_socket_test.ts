import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { Fault } from "../../src/protocol/fault.ts";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import { dialTcp, listenTcp } from "../../src/runtime/tcp_socket.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
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
    using full = fullBacklog();
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
    using full = fullBacklog();
    const stop = new AbortController();
    const dialing = dialTcp(full.address, DIAL_TIMEOUT_MS, stop.signal);
    await turnsUntil(() => full.fillersPending() === 1);
    const reason = new Error("Told to");
    const startMs = performance.now();
    stop.abort(reason);
    expect(await rejection(dialing)).toBe(reason);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  },
);

testUnless(notLinux())(
  "dialTcp() leaves nothing open when it fails",
  async () => {
    using full = fullBacklog();
    await turnsUntil(() => full.fillersPending() === 1);
    const before = socketCount();
    await rejection(dialTcp(full.address, 10, NEVER));
    const stop = new AbortController();
    const dialing = dialTcp(full.address, DIAL_TIMEOUT_MS, stop.signal);
    await turnsUntil(() => socketCount() > before);
    stop.abort();
    await rejection(dialing);
    await turnsUntil(() => socketCount() === before);
    expect(socketCount()).toBe(before);
  },
);

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
  const events: string[] = [];
  const closed = Promise.withResolvers<void>();
  socket.handle({
    data: (chunk) => void events.push(new TextDecoder().decode(chunk)),
    end: () => void events.push("end"),
    drain: () => void events.push("drain"),
    closed: (fault) => {
      events.push(`closed ${fault?.code ?? "cleanly"}`);
      closed.resolve();
    },
  });
  socket.write(new TextEncoder().encode("still here"));
  socket.end();
  await closed.promise;
  expect(events).toEqual(["still here", "end", "closed cleanly"]);
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

/** Lets the loop turn until `check` holds, but not for ever. */
async function turnsUntil(check: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !check(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function socketCount(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false; // The descriptor of this very listing has gone.
    }
  }).length;
}

/** A listener of the kernel's whose queue is full: a connect gets no answer. */
function fullBacklog() {
  const { symbols: libc, close: unload } = dlopen("libc.so.6", {
    socket: { args: ["int", "int", "int"], returns: "int" },
    bind: { args: ["int", FFIType.ptr, "int"], returns: "int" },
    listen: { args: ["int", "int"], returns: "int" },
    getsockname: { args: ["int", FFIType.ptr, FFIType.ptr], returns: "int" },
    close: { args: ["int"], returns: "int" },
  });
  const fd = libc.socket(2, 1, 0); // AF_INET, SOCK_STREAM
  const name = new Uint8Array(16);
  new DataView(name.buffer).setUint16(0, 2, true);
  name.set([127, 0, 0, 1], 4);
  const length = Int32Array.of(name.byteLength);
  libc.bind(fd, ptr(name), name.byteLength);
  libc.listen(fd, 0);
  libc.getsockname(fd, ptr(name), ptr(length));
  const port = new DataView(name.buffer).getUint16(2);
  // A queue of 0 holds one connection on Linux; a second one makes sure.
  const fillers = [1, 2].map(() => connect({ host: "127.0.0.1", port }));
  for (const filler of fillers) filler.on("error", () => filler.destroy());
  return {
    address: { host: "127.0.0.1", port },
    fillersPending: () => fillers.filter((filler) => filler.connecting).length,
    [Symbol.dispose]: () => {
      for (const filler of fillers) filler.destroy();
      libc.close(fd);
      unload();
    },
  };
}
