import { afterEach, expect, jest, test } from "bun:test";
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { listenWebSockets } from "../../src/runtime/ws_server.ts";
import type { PeerCertificate, Visitor } from "../../src/transport/visitor.ts";
import { LinkEar } from "../contract/link_ear.ts";
import {
  type DevCertificate,
  type DevPki,
  makeDevPki,
} from "../support/dev_pki.ts";
import { throwawayCertificate } from "../support/throwaway_certificate.ts";

/** A gateway of `pki` that accepts everybody, and looks at each one. */
function openGateway(pki: DevPki) {
  const visitors: Visitor[] = [];
  const server = listenWebSockets("127.0.0.1", 0, serverTls(pki), {
    visit: async (visitor) => {
      visitors.push(visitor);
      const link = await visitor.accept(STREAM_SUBPROTOCOL);
      new LinkEar(link);
      link.send("come in");
    },
    request: (_request, { certificate }) =>
      new Response(JSON.stringify(certificate?.subject ?? null)),
  });
  return { server, visitors };
}

function serverTls(pki: DevPki, shown: DevCertificate = pki.gateway) {
  return { cert: shown.certPem, key: shown.keyPem, clientCa: pki.caPem };
}

/** Dials with a certificate; resolves when the gateway has said a word. */
async function visit(
  port: number,
  pki: DevPki,
  shown: { readonly cert: string; readonly key: string } | undefined,
) {
  const link = await dialWebSocket({
    url: `wss://127.0.0.1:${port}/tunnel`,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: {},
    tls: {
      ca: pki.caPem,
      cert: shown?.cert,
      key: shown?.key,
      insecure: false,
    },
    proxy: undefined,
    timeoutMs: 10_000,
  }, new AbortController().signal);
  const ear = new LinkEar(link);
  await untilTurned(() => ear.messages.length > 0);
  return { link, ear };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits by turns of the loop, for a test that moves the timers itself. */
async function untilTurned(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 50_000) throw new Error("Waited in vain");
    await turns(1);
  }
}

function pemOf({ certPem, keyPem }: DevCertificate) {
  return { cert: certPem, key: keyPem };
}

/** The serial's owner as a client sees the server: its names. */
async function shownBy(port: number, ca: string): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<
    string | undefined
  >();
  const options = { port, host: "127.0.0.1", ca, checkServerIdentity };
  const socket = connect(options, () => {
    resolve(socket.getPeerCertificate().subjectaltname);
    socket.destroy();
  });
  socket.on("error", reject);
  return await promise;
}

function checkServerIdentity(): undefined {
  // Which certificate is shown is what the test looks at.
}

test("listenWebSockets() lets in and shows whoever calls, with any certificate or none", async () => {
  await using pki = await makeDevPki();
  const gateway = openGateway(pki);
  await using server = gateway.server;
  const stranger = throwawayCertificate({ name: "nobody" });
  const callers = [
    undefined,
    pemOf(await pki.operator("ana")),
    pemOf(await pki.expiredComputer("aula-8")),
    pemOf(await pki.foreignComputer("aula-9")),
    { cert: stranger.cert, key: stranger.key },
  ];
  for (const caller of callers) {
    const { link } = await visit(server.port, pki, caller);
    link.terminate();
  }
  const seen = gateway.visitors.map(({ certificate }) => certificate);
  expect(seen.map((certificate) => certificate?.rejection ?? "none")).toEqual([
    "none",
    "none",
    "CERT_HAS_EXPIRED",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
  ]);
  expect(seen.map((certificate) => certificate !== undefined))
    .toEqual([false, true, true, true, true]);
  expectOperator(seen[1]);
});

function expectOperator(certificate: PeerCertificate | undefined): void {
  expect(certificate?.subject["OU"]).toBe("ADMINS");
  expect(certificate?.subject["CN"]).toBe("ana");
  const leftMs = (certificate?.notAfterMs ?? 0) - Date.now();
  expect(leftMs).toBeGreaterThan(86_400_000);
  expect(leftMs).toBeLessThanOrEqual(2 * 86_400_000);
  expect(certificate?.raw.byteLength).toBeGreaterThan(200);
}

test("listenWebSockets() shows the certificate to plain requests as well", async () => {
  await using pki = await makeDevPki();
  await using server = openGateway(pki).server;
  const operator = await pki.operator("ana");
  const response = await fetch(`https://127.0.0.1:${server.port}/`, {
    tls: { ca: pki.caPem, ...pemOf(operator) },
  });
  expect(await response.json()).toMatchObject({ OU: "ADMINS", CN: "ana" });
});

afterEach(() => void jest.useRealTimers());

test("listenWebSockets() cuts who asks for nothing over TLS, and never a link", async () => {
  await using pki = await makeDevPki();
  await using server = openGateway(pki).server;
  const operator = pemOf(await pki.operator("ana"));
  jest.useFakeTimers();
  const callers = ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    .map((text) => {
      const { port } = server;
      const options = { port, host: "127.0.0.1", checkServerIdentity };
      const socket = connect({ ...options, ca: pki.caPem });
      const seen = { text: "", isSecure: false, isClosed: false };
      socket.on("data", (data) => seen.text += String(data));
      socket.on("secureConnect", () => {
        seen.isSecure = true;
        socket.write(text);
      });
      socket.on("close", () => seen.isClosed = true);
      socket.on("error", () => seen.isClosed = true);
      return seen;
    });
  const dialing = visit(server.port, pki, operator);
  await untilTurned(() => callers.every(({ isSecure }) => isSecure));
  await untilTurned(() => callers[2]?.text.includes("200 OK") ?? false);
  const { link, ear } = await dialing;
  jest.advanceTimersByTime(9_000);
  await turns(100);
  expect(callers.map(({ isClosed }) => isClosed)).toEqual([
    false,
    false,
    false,
  ]);
  jest.advanceTimersByTime(2_000);
  await untilTurned(() => callers.every(({ isClosed }) => isClosed));
  jest.advanceTimersByTime(3_600_000);
  await turns(100);
  expect(ear.ends).toEqual([]);
  link.terminate();
});

test("listenWebSockets() cuts who connects and begins no handshake", async () => {
  await using pki = await makeDevPki();
  await using server = openGateway(pki).server;
  jest.useFakeTimers();
  const socket = connectPlain({ port: server.port, host: "127.0.0.1" });
  const seen = { isOpen: false, isClosed: false };
  socket.on("connect", () => seen.isOpen = true);
  socket.on("error", () => undefined);
  socket.on("close", () => seen.isClosed = true);
  await untilTurned(() => seen.isOpen);
  await turns(100);
  jest.advanceTimersByTime(9_000);
  await turns(100);
  expect(seen.isClosed).toBeFalse();
  jest.advanceTimersByTime(1_000);
  await untilTurned(() => seen.isClosed);
});

test("WsServer.setTls() changes what new callers see, and leaves links alone", async () => {
  await using pki = await makeDevPki();
  const gateway = openGateway(pki);
  await using server = gateway.server;
  const operator = pemOf(await pki.operator("ana"));
  const { link, ear } = await visit(server.port, pki, operator);
  expect(await shownBy(server.port, pki.caPem)).toContain("localhost");

  const renewed = await pki.gatewayFor("renewed.example", "127.0.0.1");
  server.setTls(serverTls(pki, renewed));
  expect(await shownBy(server.port, pki.caPem)).toContain("renewed.example");
  const next = await visit(server.port, pki, operator);
  expect(gateway.visitors.at(-1)?.certificate?.rejection).toBeUndefined();
  link.send("still here");
  expect(ear.ends).toEqual([]);
  next.link.terminate();
  link.terminate();
});

test("WsServer.setTls() believes another authority from then on", async () => {
  await using pki = await makeDevPki();
  const gateway = openGateway(pki);
  await using server = gateway.server;
  const stranger = throwawayCertificate({
    name: "Other CA",
    isAuthority: true,
  });
  server.setTls({ ...serverTls(pki), clientCa: stranger.cert });
  const caller = throwawayCertificate({ name: "guest", issuer: stranger });
  const callers = [caller, pemOf(await pki.operator("ana"))];
  for (const { cert, key } of callers) {
    const { link } = await visit(server.port, pki, { cert, key });
    link.terminate();
  }
  const rejections = gateway.visitors.map(({ certificate }) =>
    certificate?.rejection
  );
  expect(rejections[0]).toBeUndefined();
  expect(rejections[1]).toBeDefined();
});
