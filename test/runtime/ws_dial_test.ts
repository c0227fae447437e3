import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Fault } from "../../src/protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { type DialRequest, dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { LinkEar } from "../contract/link_ear.ts";
import { eventually } from "../support/eventually.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { rejection } from "../support/rejection.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { WsBench } from "../support/ws_bench.ts";

const NEVER = new AbortController().signal;

function request(port: number, more: Partial<DialRequest> = {}): DialRequest {
  return {
    url: `ws://127.0.0.1:${port}/tunnel`,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: {},
    tls: { ca: undefined, cert: undefined, key: undefined, insecure: false },
    proxy: undefined,
    timeoutMs: 5_000,
    ...more,
  };
}

/** What a failed dial came to; the port is shown as PORT. */
function said(error: unknown, port: number): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, message, hint, retryAfterMs } = error;
  const plain = message.replace(String(port), "PORT");
  return { code, message: plain, hint, retryAfterMs };
}

/** Dials a web server that gives `answer` to the handshake. */
async function answered(
  answer: (response: ServerResponse) => void,
): Promise<unknown> {
  let openCount = 0;
  const server = createServer();
  server.on("connection", (socket) => {
    openCount++;
    socket.on("close", () => openCount--);
  });
  server.on("request", (_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const error = await rejection(dialWebSocket(request(port), NEVER));
    // Nothing is left of the attempt.
    await eventually("the connection to close", () => openCount === 0);
    return said(error, port);
  } finally {
    server.close();
  }
}

function html(status: number, headers: Record<string, string> = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { Connection: "close", ...headers });
    response.end("<h1>No</h1>");
  };
}

function json(status: number, body: unknown, retryAfter?: string) {
  return (response: ServerResponse) => {
    response.writeHead(status, {
      "Connection": "close",
      "Content-Type": "application/json",
      ...(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
    });
    response.end(JSON.stringify(body));
  };
}

test("dialWebSocket() says what a web server that is no gateway answers", async () => {
  expect(await answered(html(404))).toEqual({
    code: "gatewayRefused",
    message: "Cannot use 127.0.0.1:PORT: it answered 404",
    hint: "Check that the address is a gateway's, ending in /tunnel",
    retryAfterMs: undefined,
  });
  expect(await answered(html(200))).toMatchObject({
    code: "gatewayRefused",
    message: "Cannot use 127.0.0.1:PORT: it answered 200",
  });
  expect(await answered(html(403))).toMatchObject({ code: "roleRefused" });
});

test("dialWebSocket() hears how long to stay away", async () => {
  expect(await answered(html(429, { "Retry-After": "120" }))).toMatchObject({
    code: "quotaExceeded",
    retryAfterMs: 120_000,
  });
  expect(await answered(html(503, { "Retry-After": "soon" }))).toMatchObject({
    code: "gatewayRefused",
    message:
      "Cannot use 127.0.0.1:PORT: nobody serves this behind its proxy (503)",
    retryAfterMs: undefined,
  });
});

test("dialWebSocket() says what the gateway says in its answer", async () => {
  const body = {
    code: "deviceBound",
    message: "Cannot serve device 7\u001b[2J",
    hint: "Release it\r\nthere",
    more: 1,
  };
  expect(await answered(json(403, body, "5"))).toEqual({
    code: "deviceBound",
    message: "Cannot serve device 7?[2J",
    hint: "Release it??there",
    retryAfterMs: 5_000,
  });
});

test("dialWebSocket() believes no body that is not a gateway's", async () => {
  const bodies = [
    null,
    7,
    [],
    "roleRefused",
    { code: "nope", message: "x" },
    { code: "toString", message: "x" },
    { code: "roleRefused" },
    { code: "roleRefused", message: 7 },
  ];
  for (const body of bodies) {
    expect(await answered(json(503, body))).toMatchObject({
      code: "gatewayRefused",
      message:
        "Cannot use 127.0.0.1:PORT: nobody serves this behind its proxy (503)",
    });
  }
});

test("dialWebSocket() bounds what it reads of an answer", async () => {
  const message = "x".repeat(1_000);
  const short = { code: "roleRefused", message };
  const fault = await answered(json(403, short)) as Fault;
  expect(fault.message).toBe(`${"x".repeat(511)}…`);
  const long = { code: "deviceBound", message: "x".repeat(1024 * 1024) };
  expect(await answered(json(403, long))).toMatchObject({
    code: "roleRefused",
    message: "Cannot enter 127.0.0.1:PORT: it answered 403",
  });
});

test("dialWebSocket() refuses a server that selects no subprotocol, or another", async () => {
  const lines = [
    "",
    "Sec-WebSocket-Protocol: migasfree.stream.v9\r\n",
    "Sec-WebSocket-Protocol: \r\n",
    `Sec-WebSocket-Protocol: ${STREAM_SUBPROTOCOL}, x\r\n`,
  ];
  for (const line of lines) {
    const gone = Promise.withResolvers<void>();
    await using server = await serveTcp((socket) => {
      socket.on("close", () => gone.resolve());
      socket.on("end", () => socket.end());
      socket.on(
        "data",
        (head) => void socket.write(upgraded(String(head), line)),
      );
    });
    const dialing = dialWebSocket(request(server.port), NEVER);
    expect(said(await rejection(dialing), server.port)).toEqual({
      code: "versionUnsupported",
      message: "Cannot use the gateway: it does not speak protocol 2",
      hint: "Check that the address is a migasfree-agent 2 gateway",
      retryAfterMs: undefined,
    });
    await gone.promise;
  }
});

/** The answer of a server that accepts `head` (RFC 6455 §4.2.2). */
function upgraded(head: string, protocolLine: string): string {
  const [, key = ""] = /sec-websocket-key: (\S+)/i.exec(head) ?? [];
  const accepted = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
    `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n` +
    `${protocolLine}\r\n`;
}

test("dialWebSocket() gives up on a server that never answers, and hangs up", async () => {
  const gone = Promise.withResolvers<void>();
  await using silent = await serveTcp((socket) => {
    socket.on("close", () => gone.resolve());
    socket.on("end", () => socket.end());
    socket.resume();
  });
  const startMs = performance.now();
  const { signal } = new AbortController();
  const patience = { timeoutMs: 200 };
  const dialing = dialWebSocket(request(silent.port, patience), signal);
  expect(said(await rejection(dialing), silent.port)).toEqual({
    code: "gatewayUnreachable",
    message: "Cannot reach 127.0.0.1:PORT: no answer in 0.2 s",
    hint: "Check the network, the firewall and the proxy settings",
    retryAfterMs: undefined,
  });
  expect(performance.now() - startMs).toBeLessThan(1_500);
  expect(abortListenerCount(signal)).toBe(0);
  await gone.promise;
});

test("dialWebSocket() stops at once when it is told to, and hangs up", async () => {
  const came = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  await using silent = await serveTcp((socket) => {
    socket.on("close", () => gone.resolve());
    socket.on("end", () => socket.end());
    socket.on("data", () => came.resolve());
  });
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  const dialing = rejection(dialWebSocket(request(silent.port), stop.signal));
  await came.promise;
  const startMs = performance.now();
  stop.abort(stopped);
  expect(await dialing).toBe(stopped);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(abortListenerCount(stop.signal)).toBe(0);
  await gone.promise;
});

test("dialWebSocket() stops while it reads why it was refused", async () => {
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  await using slow = await serveTcp((socket) => {
    socket.on("data", () => {
      socket.write("HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n{");
      setImmediate(() => stop.abort(stopped));
    });
  });
  const dialing = dialWebSocket(request(slow.port), stop.signal);
  expect(await rejection(dialing)).toBe(stopped);
});

test("dialWebSocket() does not dial when it was told to stop before", async () => {
  let callCount = 0;
  await using server = await serveTcp(() => callCount++);
  const stopped = new Error("Told to stop");
  const signal = AbortSignal.abort(stopped);
  // It rejects: whoever calls need not expect it to throw.
  const dialing = dialWebSocket(request(server.port), signal);
  expect(await rejection(dialing)).toBe(stopped);
  expect(callCount).toBe(0);
});

test("dialWebSocket() rejects, and does not throw, for an address that is none", async () => {
  const dialing = dialWebSocket(request(1, { url: "nonsense" }), NEVER);
  expect(await rejection(dialing)).toBeInstanceOf(Error);
});

test("dialWebSocket() shows the headers that it was given", async () => {
  const seen: (string | undefined)[] = [];
  await using bench = WsBench.open(undefined, (visitor) => {
    seen.push(visitor.header("x-agent-id"), visitor.path);
    return visitor.accept(STREAM_SUBPROTOCOL);
  });
  const link = await bench.dial();
  link.terminate();
  expect(seen).toEqual(["7", "/tunnel"]);
});

test("dialWebSocket() leaves no listener on a signal that lives on", async () => {
  await using bench = WsBench.open();
  const stop = new AbortController();
  for (let i = 0; i < 3; i++) {
    const link = await bench.dial(stop.signal);
    const ear = new LinkEar(link);
    link.terminate();
    await ear.ended();
  }
  expect(abortListenerCount(stop.signal)).toBe(0);
});

test("dialWebSocket() loses nothing of what the gateway says with its first breath", async () => {
  const said = Array.from({ length: 40 }, (_, i) => `message ${i}`);
  await using bench = WsBench.open(undefined, async (visitor) => {
    const link = await visitor.accept(STREAM_SUBPROTOCOL);
    for (const message of said) link.send(message);
    return link;
  });
  const link = await bench.dial();
  // Whoever dialed has something else to do first.
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const ear = new LinkEar(link);
  await ear.heard(said.length);
  expect(ear.messages).toEqual(said);
  link.terminate();
});
