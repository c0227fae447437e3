import { expect } from "bun:test";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import {
  dialBoth,
  type DialOutcome,
  TestServer,
} from "../support/dial_both.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { throwawayCertificate } from "../support/throwaway_certificate.ts";
import { startTinyproxy } from "../support/tinyproxy.ts";

const test = testUnless(missingProgram("tinyproxy"));

const PASSWORD_HINT = "Give the right ones, as http://user:password@host:port";
const START = "Cannot reach localhost:PORT: ";

/** Behind the proxy: its certificate is not ours, so that a dial ends there. */
function strangeServer(): Promise<TestServer> {
  const { cert, key } = throwawayCertificate({
    name: "localhost",
    dnsNames: ["localhost"],
  });
  const server = createTlsServer({ cert, key });
  return TestServer.listen(server.on("tlsClientError", () => undefined));
}

const ARRIVED: DialOutcome = [
  "gatewayUntrusted",
  `${START}its certificate is signed by nobody but itself`,
  "Name that site's CA certificate with ca_file, or with --ca",
];

test("a dial goes through a proxy, and shows it its user and password", async () => {
  await using proxy = await startTinyproxy("BasicAuth ana s3cret");
  await using server = await strangeServer();
  const { port } = server;
  const at = (user: string) =>
    dialBoth({
      host: "localhost",
      port,
      proxy: `http://${user}127.0.0.1:${proxy.port}`,
    });
  expect(await at("ana:s3cret@")).toEqual(ARRIVED);
  expect(await at("ana:s%33cret@")).toEqual(ARRIVED);
  expect(await at("")).toEqual([
    "proxyRefused",
    `${START}the proxy wants a user and a password (it answered 407)`,
    PASSWORD_HINT,
  ]);
  expect(await at("ana:wrong@")).toEqual([
    "proxyRefused",
    `${START}the proxy wants a user and a password (it answered 401)`,
    PASSWORD_HINT,
  ]);
});

test("dialFault() knows a proxy that does not allow the port", async () => {
  await using proxy = await startTinyproxy("ConnectPort 1");
  await using server = await strangeServer();
  const { port } = server;
  const url = `http://127.0.0.1:${proxy.port}`;
  expect(await dialBoth({ host: "localhost", port, proxy: url })).toEqual([
    "proxyRefused",
    `${START}the proxy does not allow it (it answered 403)`,
    "Ask the proxy's administrator to allow localhost:PORT",
  ]);
});

test("dialFault() knows a proxy that cannot reach the other side", async () => {
  await using proxy = await startTinyproxy();
  const url = `http://127.0.0.1:${proxy.port}`;
  const server = await strangeServer();
  const { port } = server;
  await server[Symbol.asyncDispose]();
  expect(await dialBoth({ host: "localhost", port, proxy: url })).toEqual([
    "proxyRefused",
    `${START}the proxy cannot reach it (it answered 500)`,
    "Check that localhost:PORT is right, and reachable from the proxy",
  ]);
  expect(await dialBoth({ host: "nowhere.invalid", port, proxy: url })).toEqual(
    [
      "proxyRefused",
      "Cannot reach nowhere.invalid:PORT: " +
      "the proxy cannot reach it (it answered 500)",
      "Check that nowhere.invalid:PORT is right, and reachable from the proxy",
    ],
  );
});

test("dialFault() knows a proxy that is not there", async () => {
  const server = await TestServer.listen(createServer());
  const { port } = server;
  await server[Symbol.asyncDispose]();
  const host = "mf.invalid";
  const dial = { host, port: 8443, proxy: `http://127.0.0.1:${port}` };
  expect(await dialBoth(dial)).toEqual([
    "proxyRefused",
    "Cannot reach mf.invalid:PORT: the proxy refuses connections",
    "Check the port, and that the program there runs",
  ]);
  const unknown = { host, port: 8443, proxy: "http://proxy.invalid:3128" };
  expect(await dialBoth(unknown)).toEqual([
    "proxyRefused",
    "Cannot reach mf.invalid:PORT: the proxy's name does not resolve",
    "Check the name, and this computer's DNS",
  ]);
});

test("dialFault() cannot tell a proxy that hangs up from what is behind it", async () => {
  await using proxy = await TestServer.listen(createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end());
  }));
  const url = `http://127.0.0.1:${proxy.port}`;
  expect(await dialBoth({ host: "mf.invalid", port: 8443, proxy: url }))
    .toEqual([
      "gatewayUnreachable",
      "Cannot reach mf.invalid:PORT: the proxy, or what is behind it, hung up",
      "Check the port, and that our certificate is accepted there",
    ]);
});
