import { afterAll, beforeAll, expect } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { HttpsClient } from "../../src/runtime/https_client.ts";
import { dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { TestServer } from "../support/dial_both.ts";
import { opensslText, testOpenssl } from "../support/openssl.ts";
import { missingProgram } from "../support/test_unless.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const NEVER = new AbortController().signal;
const TIMEOUT_MS = 5_000;

let dir: Awaited<ReturnType<typeof makeTemporaryDir>> | undefined;
let ca = "";
let cert = "";
/** The key of `cert`, in each of the forms that migasfree has used. */
const keys = new Map<string, string>();

/** As migasfree's own scripts make them: RSA, signed by a private CA. */
beforeAll(async () => {
  if (missingProgram("openssl") !== undefined) return;
  dir = await makeTemporaryDir("v1-tls");
  const { path } = dir;
  const openssl = (...args: string[]) => opensslText(path, ...args);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  for (const type of ["pkcs1", "pkcs8"] as const) {
    keys.set(type, String(privateKey.export({ type, format: "pem" })));
  }
  await Bun.write(`${path}/key.pem`, keys.get("pkcs1") ?? "");
  const subject = ["-subj", "/O=mf.test/OU=COMPUTERS/CN=uuid-7_1"];
  const altName = "subjectAltName=IP:127.0.0.1";
  openssl(
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
    ...["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=mf.test Root CA"],
  );
  openssl(
    ...["req", "-new", "-key", "key.pem", "-out", "cert.csr"],
    ...[...subject, "-addext", altName],
  );
  openssl(
    ...["x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-days", "2"],
    ...["-CAkey", "ca.key", "-copy_extensions", "copy", "-out", "cert.pem"],
  );
  [ca, cert] = await Promise.all(
    ["ca.pem", "cert.pem"].map((name) => Bun.file(`${path}/${name}`).text()),
  ) as [string, string];
}, 30_000);

afterAll(async () => await dir?.[Symbol.asyncDispose]());

/** A server that would rather speak HTTP/2, and tells what it was shown. */
async function serve(maxVersion: "TLSv1.2" | "TLSv1.3") {
  const seen: unknown[] = [];
  const webSockets = new WebSocketServer({ noServer: true });
  const http = createHttpServer((_request, response) => response.end("{}"));
  http.on("upgrade", (request, socket: Socket, head) => {
    webSockets.handleUpgrade(request, socket, head, () => undefined);
  });
  const key = keys.get("pkcs8") ?? "";
  const tls = createServer(
    {
      ...{ ca, cert, key, maxVersion },
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ["h2", "http/1.1"],
    } as object,
  );
  tls.on("secureConnection", (socket: TLSSocket) => {
    const { CN } = socket.getPeerCertificate().subject;
    seen.push([socket.getProtocol(), socket.alpnProtocol, CN]);
    http.emit("connection", socket);
  });
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  const server = await TestServer.listen(tls);
  return { server, seen };
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const form of ["pkcs1", "pkcs8"]) {
    testOpenssl(
      `items 4, 5: ${version}, a key in ${form}, and no HTTP/2`,
      async () => {
        const { seen, server } = await serve(version);
        await using _server = server;
        const key = keys.get(form);
        const place = `127.0.0.1:${server.port}`;
        const how = {
          tls: { ca, cert, key, insecure: false },
          proxy: undefined,
          timeoutMs: TIMEOUT_MS,
        };
        const answer = await new HttpsClient(how)
          .postJson(`https://${place}/register`, {}, NEVER);
        expect(answer.status).toBe(200);
        const link = await dialWebSocket({
          ...how,
          url: `wss://${place}/tunnel`,
          subprotocol: undefined,
          headers: {},
        }, NEVER);
        link.terminate();
        const once = [version, "http/1.1", "uuid-7_1"];
        expect(seen).toEqual([once, once]);
      },
    );
  }
}

testOpenssl("item 4: the two forms of a key are what they are called", () => {
  expect([...keys.values()].map((key) => key.split("\n")[0])).toEqual([
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
  ]);
});
