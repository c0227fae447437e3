import { expect, test } from "bun:test";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  connect,
  type ConnectionOptions,
  createServer,
  type SecureVersion,
  type TLSSocket,
} from "node:tls";
import { principalOf, subjectAttributes } from "../../src/policy/identity.ts";
import { loadRevocationList } from "../../src/runtime/revocation_list.ts";
import {
  type DevCertificate,
  type DevPki,
  makeDevPki,
} from "../support/dev_pki.ts";

interface Seen {
  readonly authorized: boolean;
  readonly reason: string;
  readonly subject: Readonly<Record<string, string | readonly string[]>>;
  readonly raw: Uint8Array;
}

interface Handshake {
  /** What the server saw of the client; undefined if none came through. */
  readonly seen: Seen | undefined;
  readonly version: string | null;
  /** Why the client left. */
  readonly clientError: string | undefined;
}

/** One handshake with mutual TLS, at which the server only looks on. */
async function shakeHands(
  pki: DevPki,
  client: DevCertificate | undefined,
  options: ConnectionOptions = {},
  gateway: DevCertificate = pki.gateway,
): Promise<Handshake> {
  const { promise, resolve } = Promise.withResolvers<Seen | undefined>();
  const server = createServer({
    cert: gateway.certPem,
    key: gateway.keyPem,
    ca: pki.caPem,
    requestCert: true,
    rejectUnauthorized: false,
  }, (socket: TLSSocket) => {
    const { subject, raw } = socket.getPeerCertificate();
    resolve({
      authorized: socket.authorized,
      reason: String(socket.authorizationError ?? ""),
      subject: Object.fromEntries(Object.entries(subject ?? {})) as Seen[
        "subject"
      ],
      raw: new Uint8Array(raw ?? []),
    });
    socket.end();
  });
  server.on("tlsClientError", () => resolve(undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect({
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    ca: pki.caPem,
    ...(client && { cert: client.certPem, key: client.keyPem }),
    ...options,
  });
  const left = Promise.withResolvers<string | undefined>();
  let version: string | null = null;
  socket.on("secureConnect", () => version = socket.getProtocol());
  socket.on("error", (error: NodeJS.ErrnoException) => {
    left.resolve(error.code);
    resolve(undefined);
  });
  socket.on("close", () => left.resolve(undefined));
  socket.resume();
  const [seen, clientError] = await Promise.all([promise, left.promise]);
  socket.destroy();
  server.close();
  await once(server, "close");
  return { seen, version, clientError };
}

for (const protocol of ["TLSv1.2", "TLSv1.3"] satisfies SecureVersion[]) {
  test(`a computer and an operator are known by their certificates over ${protocol}`, async () => {
    await using pki = await makeDevPki();
    const versions = { minVersion: protocol, maxVersion: protocol } as const;
    const clients = [await pki.computer("4c_7"), await pki.operator("ana")];
    for (const [at, role] of (["agent", "operator"] as const).entries()) {
      const { seen, version, clientError } = await shakeHands(
        pki,
        clients[at],
        versions,
      );
      expect([version, clientError, seen?.authorized, seen?.reason])
        .toEqual([protocol, undefined, true, ""]);
      expect(principalOf(subjectAttributes(seen?.subject ?? {})).role)
        .toBe(role);
    }
  });

  test(`a bad client certificate is told by its reason over ${protocol}`, async () => {
    await using pki = await makeDevPki();
    const versions = { minVersion: protocol, maxVersion: protocol } as const;
    const server = await pki.wrongNameGateway();
    const clients = [
      await pki.expiredComputer("late"),
      await pki.foreignComputer("alien"),
      undefined,
      server,
    ];
    const reasons = [];
    for (const client of clients) {
      const { seen } = await shakeHands(pki, client, versions);
      reasons.push([seen?.authorized, seen?.reason]);
    }
    expect(reasons).toEqual([
      [false, "CERT_HAS_EXPIRED"],
      [false, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      [false, "UNABLE_TO_GET_ISSUER_CERT"],
      [false, "INVALID_PURPOSE"],
    ]);
  });

  test(`a client leaves a bad gateway over ${protocol}`, async () => {
    await using pki = await makeDevPki();
    const versions = { minVersion: protocol, maxVersion: protocol } as const;
    const client = await pki.computer("pc");
    const gateways = [
      pki.gateway,
      await pki.wrongNameGateway(),
      await pki.expiredGateway(),
      await pki.foreignComputer("alien"),
    ];
    const errors = [];
    for (const gateway of gateways) {
      const hands = await shakeHands(pki, client, versions, gateway);
      errors.push(hands.clientError);
    }
    expect(errors).toEqual([
      undefined,
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "CERT_HAS_EXPIRED",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ]);
  });
}

test("the gateway's certificate is good for its names, names below them and its address", async () => {
  await using pki = await makeDevPki();
  const client = await pki.computer("pc");
  const gateway = await pki.gatewayFor("mf.test", "gw.example", "127.0.0.1");
  const names = ["mf.test", "a.mf.test", "a.gw.example", ""];
  const otherNames = ["a.b.mf.test", "example", "localhost"];
  const errors = [];
  for (const servername of [...names, ...otherNames]) {
    const hands = await shakeHands(pki, client, { servername }, gateway);
    errors.push(hands.clientError);
  }
  expect(errors).toEqual([
    ...names.map(() => undefined),
    ...otherNames.map(() => "ERR_TLS_CERT_ALTNAME_INVALID"),
  ]);
});

test("what the server saw of a revoked certificate finds it in the revocation list", async () => {
  await using pki = await makeDevPki();
  const good = await pki.computer("good");
  const revoked = await pki.revokedComputer("bad");
  const list = await loadRevocationList([pki.crlFile], pki.caPem);
  const verdicts = [];
  for (const client of [good, revoked]) {
    const { seen } = await shakeHands(pki, client);
    const { authorized = false, raw = new Uint8Array() } = seen ?? {};
    verdicts.push({ authorized, revoked: list.isRevoked(raw) });
  }
  expect(verdicts).toEqual([
    { authorized: true, revoked: false },
    { authorized: true, revoked: true },
  ]);
});

test("a subject is read as it is, whatever characters a name has", async () => {
  await using pki = await makeDevPki();
  const name = "x/OU=ADMINS, OU=ADMINS+OU=ADMINS\\é";
  const client = await pki.issue({
    subject: [["O", "h"], ["OU", "Sales"], ["OU", "COMPUTERS"], ["CN", name]],
    usage: "client",
  });
  const { seen } = await shakeHands(pki, client);
  expect(seen?.subject).toEqual({
    O: "h",
    OU: ["Sales", "COMPUTERS"],
    CN: name,
  });
});
