import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { Fault } from "../../src/protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { listenWebSockets } from "../../src/runtime/ws_server.ts";
import type { Link } from "../../src/transport/link.ts";
import type { Caller, Visitor } from "../../src/transport/visitor.ts";
import { LinkEar } from "../contract/link_ear.ts";
import { eventually, quiet } from "../support/eventually.ts";
import { rejection } from "../support/rejection.ts";
import { WsBench } from "../support/ws_bench.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** A handshake, as RFC 6455 §4.1 has it. */
function handshake(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n` +
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
    `Sec-WebSocket-Key: ${KEY}\r\n` +
    `Sec-WebSocket-Protocol: ${STREAM_SUBPROTOCOL}, other\r\n${more}\r\n`;
}

/** A caller that writes bytes of its own making and never hangs up. */
class RawCaller implements Disposable {
  readonly socket: Socket;
  text = "";
  #hasEnded = false;
  #isBroken = false;

  constructor(port: number, first: string) {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.on("data", (data) => this.text += String(data));
    this.socket.on("end", () => this.#hasEnded = true);
    this.socket.on("error", () => this.#isBroken = true);
    this.socket.write(first);
  }

  async answered(): Promise<string> {
    await eventually("an answer", () => this.#hasEnded);
    return this.text;
  }

  /** Resolves when the server has let go of the connection altogether. */
  async letGo(): Promise<void> {
    await eventually("the connection to be gone", () => {
      if (!this.#isBroken) this.socket.write("x");
      return this.#isBroken;
    });
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** A server whose visitors are kept as they come, unanswered. */
function openDoor() {
  const visitors: Visitor[] = [];
  const callers: Caller[] = [];
  const server = listenWebSockets("127.0.0.1", 0, undefined, {
    visit: (visitor) => void visitors.push(visitor),
    request: (_request, caller) => {
      callers.push(caller);
      return new Response("hello");
    },
  });
  return { server, port: server.port, visitors, callers };
}

test("listenWebSockets() says who is at the door, and what was asked", async () => {
  const door = openDoor();
  await using _server = door.server;
  const path = "/tunnel/connect?device=7&service=ssh&service=vnc";
  using _caller = new RawCaller(
    door.port,
    handshake(path, "X-Two: a\r\nx-two: b\r\n"),
  );
  await eventually("a visitor", () => door.visitors.length === 1);
  const [visitor] = door.visitors;
  expect([
    visitor?.path,
    visitor?.query.get("device"),
    visitor?.query.getAll("service"),
    visitor?.subprotocols,
    visitor?.peerAddress,
    visitor?.certificate,
  ]).toEqual([
    "/tunnel/connect",
    "7",
    ["ssh", "vnc"],
    [STREAM_SUBPROTOCOL, "other"],
    "127.0.0.1",
    undefined,
  ]);
  expect([visitor?.header("HOST"), visitor?.header("X-Two")])
    .toEqual(["gateway", "a, b"]);
  expect(visitor?.header("absent")).toBeUndefined();
});

test("listenWebSockets() outlives paths that are none", async () => {
  const door = openDoor();
  await using _server = door.server;
  for (const path of ["//", "http://[", "http://:99999/", "///", "//[::"]) {
    using caller = new RawCaller(door.port, handshake(path));
    const answer = await caller.answered();
    expect(answer).toStartWith("HTTP/1.1 400 ");
    expect(answer).toContain('"code":"messageInvalid"');
    await caller.letGo();
    // The same without an upgrade: an answer, whichever, and no harm.
    using plain = new RawCaller(
      door.port,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(await plain.answered()).toStartWith("HTTP/1.1 ");
  }
  expect(door.visitors).toEqual([]);
  const response = await fetch(`http://127.0.0.1:${door.port}/`);
  expect(await response.text()).toBe("hello");
});

test("listenWebSockets() refuses with the fault as JSON, and lets the caller go", async () => {
  const door = openDoor();
  await using _server = door.server;
  using caller = new RawCaller(door.port, handshake("/tunnel"));
  await eventually("a visitor", () => door.visitors.length === 1);
  const fault = new Fault("quotaExceeded", "Cannot open more — enough", {
    hint: "Close one",
    retryAfterMs: 4_001,
    cause: new Error("secret"),
  });
  door.visitors[0]?.refuse(429, fault);
  const [head = "", body = ""] = (await caller.answered()).split("\r\n\r\n");
  expect(JSON.parse(body)).toEqual({
    code: "quotaExceeded",
    message: "Cannot open more — enough",
    hint: "Close one",
  });
  expect(head.split("\r\n").sort()).toEqual([
    "Connection: close",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Content-Type: application/json",
    "HTTP/1.1 429 Refused",
    "Retry-After: 5",
  ]);
  // It never hangs up itself, and is not kept for ever all the same.
  await caller.letGo();
});

test("listenWebSockets() tells of a caller who has left before it was accepted", async () => {
  const door = openDoor();
  await using _server = door.server;
  const caller = new RawCaller(door.port, handshake("/tunnel"));
  await eventually("a visitor", () => door.visitors.length === 1);
  caller.socket.resetAndDestroy();
  await quiet(() => caller.socket.closed);
  const accepting = door.visitors[0]?.accept(STREAM_SUBPROTOCOL);
  const error = await rejection(accepting ?? Promise.resolve());
  expect(Fault.from(error).code).toBe("linkLost");
});

test("listenWebSockets() refuses a handshake that is no WebSocket's", async () => {
  const door = openDoor();
  await using _server = door.server;
  const broken = handshake("/tunnel").replace(KEY, "short");
  using caller = new RawCaller(door.port, broken);
  await eventually("a visitor", () => door.visitors.length === 1);
  const accepting = door.visitors[0]?.accept(STREAM_SUBPROTOCOL);
  expect(Fault.from(await rejection(accepting ?? Promise.resolve())).code)
    .toBe("linkLost");
  expect(await caller.answered()).toStartWith("HTTP/1.1 400 ");
});

test("listenWebSockets() reads no more than 16 offers", async () => {
  const door = openDoor();
  await using _server = door.server;
  const offers = Array.from({ length: 100 }, (_, i) => `p${i}`).join(",");
  const text = handshake("/tunnel").replace(
    /Protocol: .*/,
    `Protocol: ${offers}`,
  );
  using _caller = new RawCaller(door.port, text);
  await eventually("a visitor", () => door.visitors.length === 1);
  expect(door.visitors[0]?.subprotocols.length).toBe(16);
});

test("listenWebSockets() keeps links that stand when it listens no more", async () => {
  await using bench = WsBench.open();
  const { dialed, accepted } = await bench.pair();
  const ear = new LinkEar(dialed);
  new LinkEar(accepted);
  bench.server.stopListening();
  bench.server.stopListening();
  const error = await rejection(bench.dial());
  expect(Fault.from(error).code).toBe("gatewayUnreachable");
  accepted.send("still here");
  await ear.heard(1);
  expect(ear.messages).toEqual(["still here"]);
});

test("listenWebSockets() cuts every link when it is disposed of, twice too", async () => {
  const bench = WsBench.open();
  const pairs = [await bench.pair(), await bench.pair()];
  const ears = pairs.flatMap(({ dialed, accepted }) =>
    [dialed, accepted].map((link: Link) => new LinkEar(link))
  );
  await bench.server[Symbol.asyncDispose]();
  await bench.server[Symbol.asyncDispose]();
  for (const ear of ears) expect((await ear.ended()).code).toBe(1006);
  expect(Fault.from(await rejection(bench.dial())).code)
    .toBe("gatewayUnreachable");
});

test("listenWebSockets() says that it cannot listen, and where", async () => {
  await using bench = WsBench.open();
  const { port } = bench.server;
  const ports = { visit: () => {}, request: () => new Response() };
  const listening = Promise.try(
    listenWebSockets,
    "127.0.0.1",
    port,
    undefined,
    ports,
  );
  const error = await rejection(listening);
  const { code, message } = Fault.from(error);
  expect([code, message]).toEqual([
    "configInvalid",
    `Cannot listen on 127.0.0.1:${port}: another program listens there`,
  ]);
});
