/** As bun_facts_test.ts, for connections of Bun's own, and HTTP over them. */
import { expect, test } from "bun:test";
import { createServer } from "node:http";
import { connect as connectPlain } from "node:net";
import { Duplex } from "node:stream";
import { connect, type ConnectionOptions, getCACertificates } from "node:tls";
import { CertificateAuthority } from "../../src/runtime/certificate_authority.ts";
import { type DevPki, makeDevPki } from "../support/dev_pki.ts";
import { eventually } from "../support/eventually.ts";

const ALPN_HTTP_1 = "\x08http/1.1";

/** As raw_listener.ts opens it; `seen` is what each handshake was. */
function listen(pki: DevPki, port = 0, shown = pki.gateway, ca = pki.caPem) {
  const seen: unknown[] = [];
  const listener = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    exclusive: true,
    tls: {
      cert: shown.certPem,
      key: shown.keyPem,
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ALPN_HTTP_1,
    },
    socket: {
      handshake(socket, isDone, reason) {
        const { code } = (reason ?? {}) as NodeJS.ErrnoException;
        const peer = socket.getPeerCertificate();
        seen.push([isDone, code ?? "none", peer?.subject.CN ?? "nobody"]);
        socket.write("hi");
      },
      data: (socket, chunk) => void socket.write(chunk),
    },
  });
  return { listener, seen };
}

/** What a client of node:tls reads first, or the code of its error. */
async function dial(
  port: number,
  ca: string,
  options: ConnectionOptions = {},
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ port, host: "127.0.0.1", ca, ...options });
  socket.on("data", (data) => resolve(String(data)));
  socket.on("error", (error) => resolve(String(Reflect.get(error, "code"))));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

test("Bun.listen() names the certificate, asked for and not enforced", async () => {
  await using pki = await makeDevPki();
  const { listener, seen } = listen(pki);
  const ana = await pki.operator("ana");
  const stranger = await pki.foreignComputer("aula-9");
  for (const shown of [ana, stranger]) {
    const options = { cert: shown.certPem, key: shown.keyPem };
    expect(await dial(listener.port, pki.caPem, options)).toBe("hi");
  }
  expect(await dial(listener.port, pki.caPem)).toBe("hi");
  expect(seen).toEqual([
    [true, "none", "ana"],
    [true, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", expect.any(String)],
    [true, "UNABLE_TO_GET_ISSUER_CERT", "nobody"],
  ]);
  listener.stop(true);
});

test("Bun.listen() takes TLS 1.2 and 1.3, nothing older, and HTTP/1.1 alone", async () => {
  await using pki = await makeDevPki();
  const { listener, seen } = listen(pki);
  const { port } = listener;
  const found = [];
  for (const version of ["TLSv1.3", "TLSv1.2", "TLSv1.1"] as const) {
    const options = { minVersion: version, maxVersion: version };
    found.push(await dial(port, pki.caPem, options));
  }
  found.push(await dial(port, pki.caPem, { ALPNProtocols: ["http/1.1"] }));
  found.push(await dial(port, pki.caPem, { ALPNProtocols: ["h2"] }));
  expect(found).toEqual([
    "hi",
    "hi",
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    "hi",
    "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
  ]);
  const done = seen.map((handshake) => (handshake as unknown[])[0]);
  expect(done).toEqual([true, true, false, true, false]);
  listener.stop(true);
});

test("Bun.listen() can follow a listener that stops, within the same turn", async () => {
  await using pki = await makeDevPki();
  const first = listen(pki).listener;
  const standing = connect({
    port: first.port,
    host: "127.0.0.1",
    ca: pki.caPem,
  });
  const heard: string[] = [];
  standing.on("data", (data) => heard.push(String(data)));
  await eventually("a greeting", () => heard.length === 1);
  first.stop();
  const wrong = await pki.wrongNameGateway();
  const second = listen(pki, first.port, wrong).listener;
  expect(await dial(second.port, pki.caPem))
    .toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  standing.write("still here");
  await eventually("an echo", () => heard.join("") === "histill here");
  standing.destroy();
  second.stop(true);
});

test("every certificate of a CA text is believed, and none beside them", async () => {
  await using pki = await makeDevPki();
  const { certPem: other } = await CertificateAuthority.create("other");
  const system = getCACertificates("bundled");
  expect(system.length).toBeGreaterThan(50);
  const texts = [
    [pki.caPem, ...system],
    [...system, pki.caPem],
    [other, pki.caPem],
    [other, ...system],
  ].map((text) => text.join("\n"));
  const { listener } = listen(pki);
  const found = [];
  for (const text of texts) found.push(await dial(listener.port, text));
  expect(found).toEqual(["hi", "hi", "hi", expect.stringMatching(/^[A-Z_]+$/)]);
  listener.stop(true);
  const ana = await pki.operator("ana");
  const options = { cert: ana.certPem, key: ana.keyPem };
  const codes = [];
  for (const text of texts) {
    const { listener, seen } = listen(pki, 0, pki.gateway, text);
    await dial(listener.port, pki.caPem, options);
    codes.push((seen as string[][])[0]?.[1]);
    listener.stop(true);
  }
  expect(codes).toEqual([
    "none",
    "none",
    "none",
    expect.stringMatching(/^[A-Z_]+$/),
  ]);
});

/** As much of a connection as node:http needs; what is written to it. */
class Connection extends Duplex {
  written = "";

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += String(chunk);
    done();
  }
}

test("an HTTP server serves any stream, and lets go of one that is upgraded", async () => {
  const http = createServer((request, response) => response.end(request.url));
  const upgraded: [url: string | undefined, isSame: boolean, head: string][] =
    [];
  const connection = new Connection();
  http.on("upgrade", (request, socket, head) => {
    upgraded.push([request.url, socket === connection, String(head)]);
  });
  http.emit("connection", connection);
  connection.push("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually("an answer", () => connection.written.endsWith("/first"));
  connection.push(
    "GET /second HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
      "Upgrade: websocket\r\n\r\nwhat follows",
  );
  await eventually("an upgrade", () => upgraded.length === 1);
  expect(upgraded).toEqual([["/second", true, "what follows"]]);
  expect(connection.listenerCount("data")).toBe(0);
});

/** What a client sees when `act` is done to it, in order. */
async function seenAfter(
  act: (socket: Bun.Socket<undefined>) => void,
): Promise<string[]> {
  const listener = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      open: (socket) => {
        socket.write("bye");
        act(socket);
      },
      data: () => undefined,
      end: (socket) => void socket.end(),
    },
  });
  const seen: string[] = [];
  const client = connectPlain({ port: listener.port, host: "127.0.0.1" });
  client.on("data", (data) => seen.push(String(data)));
  client.on("end", () => seen.push("end"));
  client.on("error", (error) => seen.push(String(Reflect.get(error, "code"))));
  const { promise, resolve } = Promise.withResolvers<void>();
  client.on("close", () => resolve());
  await promise;
  listener.stop(true);
  return seen;
}

test("a socket of Bun's ends with a FIN, and is terminated with a reset", async () => {
  expect(await seenAfter((socket) => socket.end())).toEqual(["bye", "end"]);
  expect(await seenAfter((socket) => socket.shutdown()))
    .toEqual(["bye", "end"]);
  expect((await seenAfter((socket) => socket.terminate())).at(-1))
    .toBe("ECONNRESET");
});
