/**
 * What the code leans on and Bun's documentation does not promise. A failure
 * here, after Bun was changed, says which adapter to look at.
 */
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import WebSocket, { WebSocketServer } from "ws";
import manifest from "../../package.json";
import { eventually, quiet } from "../support/eventually.ts";
import { abortListenerCount } from "../support/leak_check.ts";

const CHUNK_BYTES = 64 * 1024;
const CHUNK_COUNT = 400;

interface Sockets extends AsyncDisposable {
  readonly dialed: WebSocket;
  readonly accepted: WebSocket;
}

async function listening(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

/** Both ends of one connection, straight on `ws`. */
async function openSockets(maxPayload = 64 * 1024): Promise<Sockets> {
  const server = createServer();
  const webSockets = new WebSocketServer({ noServer: true, maxPayload });
  const accepted = Promise.withResolvers<WebSocket>();
  server.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, accepted.resolve);
  });
  const port = await listening(server);
  const dialed = new WebSocket(`ws://127.0.0.1:${port}/`, { maxPayload });
  const opened = Promise.withResolvers<void>();
  dialed.on("open", opened.resolve);
  await opened.promise;
  const other = await accepted.promise;
  return {
    dialed,
    accepted: other,
    [Symbol.asyncDispose]: () => {
      dialed.terminate();
      other.terminate();
      server.close();
      return Promise.resolve();
    },
  };
}

function pick(sockets: Sockets, sender: "dialed" | "accepted") {
  const { dialed, accepted } = sockets;
  return sender === "dialed"
    ? { sender: dialed, reader: accepted }
    : { sender: accepted, reader: dialed };
}

test("Bun answers `ws` with a module of its own", () => {
  expect(import.meta.resolve("ws")).toBe("ws");
  expect(Bun.version).toBe(manifest.devDependencies.bun);
});

for (const from of ["dialed", "accepted"] as const) {
  const name = from === "dialed" ? "a dialed ws" : "an accepted ws";
  test(`bufferedAmount of ${name} shows what a paused reader does not take`, async () => {
    await using sockets = await openSockets();
    const { sender, reader } = pick(sockets, from);
    let receivedCount = 0;
    reader.on("message", () => receivedCount++);
    reader.pause();
    let calledBack = 0;
    let leftAtLastBytes = -1;
    for (let i = 0; i < CHUNK_COUNT; i++) {
      sender.send(new Uint8Array(CHUNK_BYTES), () => {
        calledBack++;
        leftAtLastBytes = sender.bufferedAmount;
      });
    }
    const stuckBytes = await quiet(() => sender.bufferedAmount);
    expect(stuckBytes).toBeGreaterThan(8 * 1024 * 1024);
    expect(receivedCount).toBe(0);
    // A callback says that the kernel has the bytes, and not before.
    const takenCount = CHUNK_COUNT - Math.ceil(stuckBytes / CHUNK_BYTES);
    expect(Math.abs(calledBack - takenCount)).toBeLessThanOrEqual(1);
    reader.resume();
    await eventually("all", () => receivedCount === CHUNK_COUNT);
    await eventually("all callbacks", () => calledBack === CHUNK_COUNT);
    // The last callback already sees that nothing is left.
    expect([sender.bufferedAmount, leftAtLastBytes]).toEqual([0, 0]);
  });

  test(`${name} that gets too much says so by code, and 1009 to the sender`, async () => {
    await using sockets = await openSockets(100);
    const { sender, reader } = pick(sockets, from);
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    reader.on("error", (error) => errors.push(Reflect.get(error, "code")));
    reader.on("close", (code) => seen.push(`reader ${code}`));
    sender.on("close", (code) => seen.push(`sender ${code}`));
    sender.on("error", () => undefined);
    sender.send(new Uint8Array(101));
    await eventually("both ends", () => seen.length === 2);
    expect(errors).toEqual(["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"]);
    expect(seen.sort()).toEqual(["reader 1006", "sender 1009"]);
  });

  test(`${name} copies what it is given before send() returns`, async () => {
    await using sockets = await openSockets();
    const { sender, reader } = pick(sockets, from);
    const heard: number[] = [];
    reader.on("message", (data: Buffer) => heard.push(data[0] ?? -1));
    const buffer = new Uint8Array(1_000);
    for (let i = 0; i < 10; i++) sender.send(buffer.fill(i));
    await eventually("all", () => heard.length === 10);
    expect(heard).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test(`terminate() of ${name} is told as a close on both ends`, async () => {
    await using sockets = await openSockets();
    const { sender, reader } = pick(sockets, from);
    const codes: number[] = [];
    for (const socket of [sender, reader]) {
      socket.on("close", (code) => codes.push(code));
    }
    reader.pause();
    sender.terminate();
    await eventually("our end", () => codes.length === 1);
    reader.resume();
    await eventually("the other end", () => codes.length === 2);
    expect(codes).toEqual([1006, 1006]);
  });
}

test("a paused ws still delivers what it had read, and no more", async () => {
  await using sockets = await openSockets();
  const { dialed, accepted } = sockets;
  let receivedBytes = 0;
  accepted.on("message", (data: Buffer) => {
    receivedBytes += data.byteLength;
    accepted.pause();
  });
  for (let i = 0; i < 20_000; i++) dialed.send(new Uint8Array(1_000));
  // A buffer of the loop: 512 KiB.
  expect(await quiet(() => receivedBytes)).toBeLessThan(1024 * 1024);
});

test("an answer that is no 101 comes with its status, headers and body", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(503, { "Retry-After": "7", "Connection": "close" });
    response.end("a body");
  });
  const socket = new WebSocket(`ws://127.0.0.1:${await listening(server)}/`);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  socket.on("unexpected-response", (_request, response) => {
    let body = "";
    response.on("data", (chunk) => body += String(chunk));
    response.on("end", () => {
      const { statusCode, headers } = response;
      resolve([statusCode, headers["retry-after"], body]);
    });
  });
  socket.on("error", resolve);
  expect(await promise).toEqual([503, "7", "a body"]);
  socket.terminate();
  server.close();
});

test("a missing subprotocol is seen by `upgrade` before ws refuses it", async () => {
  const server = createServer();
  const webSockets = new WebSocketServer({
    noServer: true,
    handleProtocols: () => false,
  });
  server.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, () => undefined);
  });
  const url = `ws://127.0.0.1:${await listening(server)}/`;
  const socket = new WebSocket(url, ["migasfree.stream.v2"]);
  const seen: unknown[] = [];
  socket.on("upgrade", ({ headers }) => {
    seen.push(["upgrade", headers["sec-websocket-protocol"]]);
  });
  socket.on("open", () => seen.push("open"));
  socket.on(
    "error",
    (error) => seen.push(["error", Reflect.get(error, "code")]),
  );
  await eventually("an error", () => seen.length === 2);
  // Without a code: nothing but its text says what it is.
  expect(seen).toEqual([["upgrade", undefined], ["error", undefined]]);
  server.close();
});

test("JSON.parse() gives up on deep nesting by throwing, and __proto__ is a key", () => {
  let thrown: unknown;
  try {
    JSON.parse("[".repeat(65_536));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(Error);
  const parsed = JSON.parse('{"__proto__":{"type":"x"}}');
  expect([parsed.type, Object.keys(parsed)]).toEqual([undefined, [
    "__proto__",
  ]]);
});

test("AbortSignal.any() leaves nothing on a signal that lives on", () => {
  const parent = new AbortController();
  for (let i = 0; i < 20_000; i++) {
    const child = new AbortController();
    AbortSignal.any([parent.signal, child.signal]);
    child.abort();
  }
  Bun.gc(true);
  const { AbortSignal: signalCount = 0 } = heapStats().objectTypeCounts;
  expect(signalCount).toBeLessThan(1_000);
  expect(abortListenerCount(parent.signal)).toBe(0);
});
