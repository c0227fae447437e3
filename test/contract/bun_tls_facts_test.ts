/** As bun_facts_test.ts, for TLS under an HTTP server. */
import { expect, test } from "bun:test";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer, getCACertificates, type TLSSocket } from "node:tls";
import WebSocket, { WebSocketServer } from "ws";
import { CertificateAuthority } from "../../src/runtime/certificate_authority.ts";
import { type DevPki, makeDevPki } from "../support/dev_pki.ts";

/** As ws_server.ts builds it: TLS first, then HTTP, then `ws`. */
async function openServer(pki: DevPki) {
  const http = createHttpServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const seen: unknown[] = [];
  http.on("upgrade", (request, socket, head) => {
    const tlsSocket = request.socket as TLSSocket;
    const { subject } = tlsSocket.getPeerCertificate();
    const reason = tlsSocket.authorizationError as
      | string
      | { code?: string }
      | null;
    const code = typeof reason === "object" ? reason?.code : reason;
    seen.push([subject?.CN, tlsSocket.authorized, code ?? "none"]);
    webSockets.handleUpgrade(request, socket, head, (link) => link.send("hi"));
  });
  const tls = createServer({
    cert: pki.gateway.certPem,
    key: pki.gateway.keyPem,
    ca: pki.caPem,
    requestCert: true,
    rejectUnauthorized: false,
  }, (socket) => http.emit("connection", socket));
  const { promise, resolve } = Promise.withResolvers<void>();
  tls.listen(0, "127.0.0.1", resolve);
  await promise;
  return { tls, seen, port: (tls.address() as AddressInfo).port };
}

async function dial(
  port: number,
  ca: string,
  shown?: { readonly certPem: string; readonly keyPem: string },
): Promise<string> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
    ca,
    ...(shown && { cert: shown.certPem, key: shown.keyPem }),
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("message", (data) => resolve(String(data)));
  socket.on("error", (error) => resolve(String(Reflect.get(error, "code"))));
  try {
    return await promise;
  } finally {
    socket.terminate();
  }
}

test("an upgrade's socket names the certificate, asked for and not enforced", async () => {
  await using pki = await makeDevPki();
  const { tls, seen, port } = await openServer(pki);
  const certificates = [
    await pki.operator("ana"),
    await pki.foreignComputer("aula-9"),
    undefined,
  ];
  for (const certificate of certificates) {
    expect(await dial(port, pki.caPem, certificate)).toBe("hi");
  }
  expect(seen).toEqual([
    ["ana", true, "none"],
    [expect.any(String), false, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    [undefined, false, "UNABLE_TO_GET_ISSUER_CERT"],
  ]);
  tls.close();
});

test("setSecureContext() holds for the next handshake, under the same listener", async () => {
  await using pki = await makeDevPki();
  const { tls, port } = await openServer(pki);
  expect(await dial(port, pki.caPem)).toBe("hi");
  const wrong = await pki.wrongNameGateway();
  tls.setSecureContext({
    cert: wrong.certPem,
    key: wrong.keyPem,
    ca: pki.caPem,
  });
  expect(await dial(port, pki.caPem)).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  tls.setSecureContext({
    cert: pki.gateway.certPem,
    key: pki.gateway.keyPem,
    ca: pki.caPem,
  });
  expect(await dial(port, pki.caPem)).toBe("hi");
  tls.close();
});

test("every certificate of a CA text is believed, and none beside them", async () => {
  await using pki = await makeDevPki();
  const { tls, port } = await openServer(pki);
  const { certPem: other } = await CertificateAuthority.create("other");
  const system = getCACertificates("bundled");
  expect(system.length).toBeGreaterThan(50);
  const texts = [
    [pki.caPem, ...system],
    [...system, pki.caPem],
    [other, pki.caPem],
    [other, ...system],
  ];
  const found = [];
  for (const text of texts) found.push(await dial(port, text.join("\n")));
  expect(found).toEqual(["hi", "hi", "hi", expect.stringMatching(/^[A-Z_]+$/)]);
  tls.close();
});
