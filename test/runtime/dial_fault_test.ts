import { expect, test } from "bun:test";
import { createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { dialFault, hostPort } from "../../src/runtime/dial_fault.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { dialBoth, dialEach, TestServer } from "../support/dial_both.ts";
import {
  type ThrowawayCertificate,
  throwawayCertificate,
  type ThrowawayOptions,
} from "../support/throwaway_certificate.ts";

const authority = throwawayCertificate({ name: "Site CA", isAuthority: true });
const stranger = throwawayCertificate({ name: "Other CA", isAuthority: true });

const TRUST_HINT = "Name that site's CA certificate with ca_file, or with --ca";
const CLOCK_HINT = "Check this computer's clock, then the certificate there";
const START = "Cannot reach localhost:PORT: ";

function serverCertificate(
  options: Partial<ThrowawayOptions> = {},
): ThrowawayCertificate {
  const dnsNames = ["localhost"];
  return throwawayCertificate({
    name: "localhost",
    issuer: authority,
    dnsNames,
    ...options,
  });
}

/** A TLS server that shows `certificate` and says nothing. */
function tlsServer(
  certificate: ThrowawayCertificate,
  chain: readonly ThrowawayCertificate[] = [],
): Promise<TestServer> {
  const cert = [certificate, ...chain].map(({ cert }) => cert).join("");
  const server = createTlsServer({ cert, key: certificate.key });
  server.on("tlsClientError", () => undefined);
  return TestServer.listen(server);
}

function tcpServer(serve: (socket: Socket) => void): Promise<TestServer> {
  return TestServer.listen(createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    serve(socket);
  }));
}

async function dialTls(
  certificate: ThrowawayCertificate,
  ca: string | undefined,
  chain: readonly ThrowawayCertificate[] = [],
) {
  await using server = await tlsServer(certificate, chain);
  return await dialBoth({ host: "localhost", port: server.port, tls: { ca } });
}

test("dialFault() knows a certificate of an authority that we do not trust", async () => {
  const expected = [
    "gatewayUntrusted",
    `${START}its certificate is signed by an authority that we do not know`,
    TRUST_HINT,
  ] as const;
  const certificate = serverCertificate();
  expect(await dialTls(certificate, stranger.cert)).toEqual(expected);
  expect(await dialTls(certificate, undefined)).toEqual(expected);
  expect(await dialTls(certificate, undefined, [authority])).toEqual(expected);
});

test("dialFault() knows a certificate that signed itself", async () => {
  const certificate = throwawayCertificate({
    name: "localhost",
    dnsNames: ["localhost"],
  });
  expect(await dialTls(certificate, authority.cert)).toEqual([
    "gatewayUntrusted",
    `${START}its certificate is signed by nobody but itself`,
    TRUST_HINT,
  ]);
});

test("dialFault() knows a certificate of another time", async () => {
  const past = serverCertificate({
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2021-01-01"),
  });
  expect(await dialTls(past, authority.cert)).toEqual([
    "gatewayUntrusted",
    `${START}its certificate has expired`,
    CLOCK_HINT,
  ]);
  const future = serverCertificate({
    notBefore: new Date("2070-01-01"),
    notAfter: new Date("2071-01-01"),
  });
  expect(await dialTls(future, authority.cert)).toEqual([
    "gatewayUntrusted",
    `${START}its certificate is not valid yet`,
    CLOCK_HINT,
  ]);
});

test("dialFault() knows a certificate for another name", async () => {
  const certificate = serverCertificate({ dnsNames: ["other.example.org"] });
  expect(await dialTls(certificate, authority.cert)).toEqual([
    "gatewayUntrusted",
    `${START}its certificate is for another name`,
    "Use the name in that certificate, or ask for one with the name you use",
  ]);
});

test("dialFault() knows a port where nobody listens", async () => {
  const server = await tcpServer(() => undefined);
  const { port } = server;
  await server[Symbol.asyncDispose]();
  expect(await dialBoth({ host: "127.0.0.1", port })).toEqual([
    "gatewayUnreachable",
    "Cannot reach 127.0.0.1:PORT: it refuses connections",
    "Check the port, and that the program there runs",
  ]);
});

test("dialFault() knows a name that does not resolve", async () => {
  // RFC 6761 §6.4: `invalid` never does.
  expect(await dialBoth({ host: "gateway.invalid", port: 8443 })).toEqual([
    "gatewayUnresolved",
    "Cannot reach gateway.invalid:PORT: its name does not resolve",
    "Check the name, and this computer's DNS",
  ]);
});

test("dialFault() knows somebody who hangs up", async () => {
  const expected = [
    "gatewayUnreachable",
    `${START}it hung up`,
    "Check the port, and that our certificate is accepted there",
  ] as const;
  await using ender = await tcpServer((socket) => {
    socket.once("data", () => socket.end());
  });
  const host = "localhost";
  expect(await dialBoth({ host, port: ender.port })).toEqual(expected);
  await using resetter = await tcpServer((socket) => {
    socket.once("data", () => socket.resetAndDestroy());
  });
  expect(await dialBoth({ host, port: resetter.port })).toEqual(expected);
});

test("dialFault() knows a port that does not speak TLS", async () => {
  await using server = await tcpServer((socket) => {
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  expect(await dialBoth({ host: "localhost", port: server.port })).toEqual([
    "gatewayRefused",
    `${START}the TLS handshake failed`,
    "Check that the port speaks TLS, and that our certificate is accepted there",
  ]);
});

test("dialFault() knows a server that asks for a certificate, where Bun says so", async () => {
  const { cert, key } = serverCertificate();
  const ca = authority.cert;
  await using server = await TestServer.listen(
    createTlsServer({
      ...{ cert, key, ca },
      requestCert: true,
      rejectUnauthorized: true,
    }).on("tlsClientError", () => undefined),
  );
  const { port } = server;
  // `fetch` has no number of the alert, nor any other trace of it.
  expect(await dialEach({ host: "localhost", port, tls: { ca } })).toEqual([
    [
      "gatewayRefused",
      `${START}the TLS handshake failed`,
      "Check that the port speaks TLS, and that our certificate is accepted there",
    ],
    [
      "certificateMissing",
      `${START}it asks for a certificate`,
      "Check cert_file and key_file, or --cert and --key",
    ],
  ]);
});

/** As Bun 1.4.5 makes it of a TLS alert. */
function alertError(number: string): Error {
  const text = `error:${number}:SSL routines:OPENSSL_internal:WHATEVER`;
  return Object.assign(new Error(text), { code: "EPROTO", errno: -71 });
}

const target = { url: "wss://mf.example.org/tunnel", viaProxy: false };

test("dialFault() reads what a TLS alert says of our certificate", () => {
  const numbers = ["10000412", "10000414", "10000415", "10000416", "10000418"];
  numbers.push("10000419", "1000045c", "10000410", "100000f7", "0d000415");
  const found = numbers.map((number) => {
    const { code, message } = dialFault(alertError(number), target);
    return [code, message.replace("Cannot reach mf.example.org:443: ", "")];
  });
  expect(found).toEqual([
    ["certificateUntrusted", "it does not accept our certificate"],
    ["certificateRevoked", "our certificate was revoked"],
    ["certificateExpired", "our certificate has expired"],
    ["certificateUntrusted", "it does not accept our certificate"],
    [
      "certificateUntrusted",
      "it does not know the authority that signed our certificate",
    ],
    ["roleRefused", "our certificate may not enter"],
    ["certificateMissing", "it asks for a certificate"],
    ["gatewayRefused", "it refused the TLS handshake (40)"],
    ["gatewayRefused", "the TLS handshake failed"],
    ["gatewayRefused", "the TLS handshake failed"],
  ]);
});

test("dialFault() keeps the error as cause, and a fault as it is", () => {
  const error = Object.assign(new Error("any text"), { code: "ETIMEDOUT" });
  const fault = dialFault(error, target);
  expect([fault.code, fault.message, fault.cause]).toEqual([
    "gatewayUnreachable",
    "Cannot reach mf.example.org:443: it does not answer",
    error,
  ]);
  expect(dialFault(fault, target)).toBe(fault);
});

test("dialFault() shows the code of an error that it does not know", () => {
  const facts = [
    Object.assign(new Error("x"), { code: "EWHAT" }),
    Object.assign(new Error("x"), { code: "toString" }),
    new Error("x"),
    "no error at all",
  ].map((error) => dialFault(error, target).message.split(": ")[1]);
  expect(facts).toEqual([
    "no connection comes about (EWHAT)",
    "no connection comes about (toString)",
    "no connection comes about",
    "no connection comes about",
  ]);
});

test("dialFault() makes a fault worth a retry of what the network does", () => {
  const codes = ["ENETUNREACH", "EHOSTUNREACH", "EAI_AGAIN", "EPERM"];
  const found = codes.map((code) => {
    const error = Object.assign(new Error("x"), { code });
    return dialFault(error, target).code;
  });
  expect(found).toEqual([
    "gatewayUnreachable",
    "gatewayUnreachable",
    "gatewayUnresolved",
    "gatewayUnreachable",
  ]);
  expect(dialFault(new Fault("peerGone", "x"), target).code).toBe("peerGone");
});

test("hostPort() adds the port that a scheme implies", () => {
  const urls = ["wss://a/tunnel", "https://a", "ws://a", "wss://[::1]:8443"];
  expect(urls.map(hostPort))
    .toEqual(["a:443", "a:443", "a:80", "[::1]:8443"]);
});

test("dialFault() asks for five minutes where a proxy refuses a password", () => {
  const target = { url: "wss://gw.test/tunnel", viaProxy: true };
  const waits = [401, 407, 403, 502].map((status) =>
    dialFault(Object.assign(new Error("no"), { status }), target).retryAfterMs
  );
  expect(waits).toEqual([300_000, 300_000, undefined, undefined]);
});
