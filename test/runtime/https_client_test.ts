import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer as createTlsServer } from "node:tls";
import { Fault } from "../../src/protocol/fault.ts";
import {
  ANSWER_MAX_BYTES,
  HttpsClient,
} from "../../src/runtime/https_client.ts";
import { TestServer } from "../support/dial_both.ts";
import { rejection } from "../support/rejection.ts";
import { throwawayCertificate } from "../support/throwaway_certificate.ts";

const NO_TLS = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  insecure: false,
};
const running = new AbortController().signal;

// Bun reads these by itself; whoever runs the tests may have them.
const proxyVariables = [
  "HTTP_PROXY",
  "http_proxy",
  "HTTPS_PROXY",
  "https_proxy",
];
const before = new Map<string, string>();

beforeEach(() => {
  for (const name of proxyVariables) {
    const value = process.env[name];
    if (value !== undefined) before.set(name, value);
    delete process.env[name];
  }
});

afterEach(() => {
  for (const name of proxyVariables) {
    const value = before.get(name);
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

function client(timeoutMs = 10_000): HttpsClient {
  return new HttpsClient({ tls: NO_TLS, proxy: undefined, timeoutMs });
}

async function withServer<T>(
  serve: RequestListener,
  work: (url: string) => Promise<T>,
): Promise<T> {
  await using server = await TestServer.listen(createServer(serve));
  return await work(`http://127.0.0.1:${server.port}/register`);
}

test("postJson() posts JSON and returns status, body and Retry-After", async () => {
  const heard: unknown[] = [];
  const answer = await withServer((request, response) => {
    const { headers, method, url } = request;
    heard.push(method, url, headers["content-type"], headers.accept);
    let text = "";
    request.on("data", (chunk) => text += String(chunk));
    request.on("end", () => {
      heard.push(text);
      response.writeHead(429, {
        "retry-after": "7",
        "date": "Tue, 06 May 2031 07:08:09 GMT",
      });
      response.end('{"detail":"slow down"}');
    });
  }, (url) => client().postJson(url, { id: 7 }, running));
  expect(answer).toEqual({
    status: 429,
    retryAfterMs: 7_000,
    dateMs: Date.UTC(2031, 4, 6, 7, 8, 9),
    body: { detail: "slow down" },
  });
  const json = "application/json";
  expect(heard).toEqual(["POST", "/register", json, json, '{"id":7}']);
});

test("getJson() returns a page that is not JSON without its body", async () => {
  const answer = await withServer((_request, response) => {
    response.sendDate = false;
    response.writeHead(403, { "content-type": "text/html" });
    response.end("<html>");
  }, (url) => client().getJson(url, running));
  expect(answer).toEqual({
    status: 403,
    retryAfterMs: undefined,
    dateMs: undefined,
    body: undefined,
  });
});

test("getJson() does not go where a redirection points", async () => {
  let asked = 0;
  const { status } = await withServer((_request, response) => {
    asked++;
    response.writeHead(302, { location: "/elsewhere" });
    response.end();
  }, (url) => client().getJson(url, running));
  expect([status, asked]).toEqual([302, 1]);
});

test("getJson() shows its certificate and takes the CA's server only", async () => {
  const ca = throwawayCertificate({ name: "Site CA", isAuthority: true });
  const dnsNames = ["localhost"];
  const { cert, key } = throwawayCertificate({
    name: "localhost",
    issuer: ca,
    dnsNames,
  });
  const ours = throwawayCertificate({ name: "aula-12", issuer: ca });
  const options = { cert, key, ca: ca.cert, requestCert: true };
  await using server = await TestServer.listen(
    createTlsServer(options, (socket) => {
      const body = JSON.stringify(socket.getPeerCertificate().subject.CN);
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`;
      socket.once("data", () => socket.end(head + body));
    }),
  );
  const tls = { ca: ca.cert, cert: ours.cert, key: ours.key, insecure: false };
  const url = `https://localhost:${server.port}/`;
  const client = new HttpsClient({ tls, proxy: undefined, timeoutMs: 10_000 });
  expect((await client.getJson(url, running)).body).toBe("aula-12");
});

test("getJson() takes any server where it must not look, and only there", async () => {
  const { cert, key } = throwawayCertificate({ name: "whoever" });
  await using server = await TestServer.listen(
    createSecureServer(
      { cert, key },
      (_request, response) => response.end("1"),
    ),
  );
  const url = `https://localhost:${server.port}/`;
  const tls = { ...NO_TLS, insecure: true };
  const loud = new HttpsClient({ tls, proxy: undefined, timeoutMs: 10_000 });
  expect((await loud.getJson(url, running)).body).toBe(1);
  const fault = Fault.from(await rejection(client().getJson(url, running)));
  expect(fault.code).toBe("gatewayUntrusted");
});

test("getJson() takes an answer at the limit, and refuses one byte more", async () => {
  const ask = (bytes: number) =>
    withServer((_request, response) => {
      response.end(`"${"a".repeat(bytes - 2)}"`);
    }, (url) => client().getJson(url, running));
  const { body } = await ask(ANSWER_MAX_BYTES);
  expect(String(body).length).toBe(ANSWER_MAX_BYTES - 2);
  const fault = Fault.from(await rejection(ask(ANSWER_MAX_BYTES + 1)));
  expect([fault.code, fault.message.replace(/:[0-9]+:/, ":PORT:")]).toEqual([
    "messageTooLarge",
    "Cannot read answer of 127.0.0.1:PORT: over 1048576 bytes",
  ]);
});

test("getJson() refuses an answer without end", async () => {
  let isGone = false;
  const error = await withServer((_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write("a".repeat(65_536)));
    };
    response.on("drain", more);
    response.on("close", () => isGone = true);
    more();
  }, (url) => rejection(client().getJson(url, running)));
  expect([Fault.from(error).code, isGone]).toEqual(["messageTooLarge", true]);
});

test("getJson() waits no longer than it was told", async () => {
  const error = await withServer(
    () => undefined,
    (url) => rejection(client(30).getJson(url, running)),
  );
  const { code, message } = Fault.from(error);
  expect([code, message.replace(/:[0-9]+:/, ":PORT:")]).toEqual([
    "gatewayUnreachable",
    "Cannot reach 127.0.0.1:PORT: no answer in 0.03 s",
  ]);
});

test("getJson() stops at once when it is told to, with that reason", async () => {
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const arrived = Promise.withResolvers<void>();
  await withServer(() => arrived.resolve(), async (url) => {
    const asking = client().getJson(url, stop.signal);
    await arrived.promise;
    const startMs = performance.now();
    stop.abort(reason);
    expect(await rejection(asking)).toBe(reason);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(await rejection(client().getJson(url, stop.signal))).toBe(reason);
  });
});

test("getJson() goes through no proxy that only Bun found", async () => {
  // A port where nobody listens: to go there would fail.
  process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
  process.env["http_proxy"] = "http://127.0.0.1:1";
  const { body } = await withServer(
    (_request, response) => response.end('"direct"'),
    (url) => client().getJson(url, running),
  );
  expect(body).toBe("direct");
});

test("getJson() makes a fault of an answer that breaks off", async () => {
  const error = await withServer((_request, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("abc", () => response.destroy());
  }, (url) => rejection(client().getJson(url, running)));
  expect(Fault.from(error).code).toBe("gatewayUnreachable");
});
