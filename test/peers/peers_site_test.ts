import { expect } from "bun:test";
import { type DevCertificate, makeDevPki } from "../support/dev_pki.ts";
import { PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { Redis } from "../support/redis.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const test = testUnless(pythonPeersMissing);
const testRedis = testUnless(
  pythonPeersMissing ?? missingProgram("redis-server"),
);

const AGENTS_PATH = "/manager/v1/private/tunnel/agents";

function shown(certificate: DevCertificate): string[] {
  const { caFile, certFile, keyFile } = certificate;
  return ["--ca", caFile, "--cert", certFile, "--key", keyFile];
}

test(
  "relay.py with a CA decides by certificates as the proxy does",
  async () => {
    await using pki = await makeDevPki();
    const computer = await pki.computer("uuid-7_1");
    const maria = await pki.operator("maria");
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using relay = await PythonPeer.start("relay", [
      "--http-register",
      ...shown(pki.gateway),
    ]);
    const manager = `https://localhost:${relay.port}`;
    const agentFlags = ["--id", "7", "--manager", manager];
    await using _agent = await PythonPeer.start("agent", [
      ...agentFlags,
      ...["--service", `ssh=${echoing.port}`],
      ...shown(computer),
    ]);
    await relay.event("registered", { id: 7 });
    await using operator = await PythonPeer.start("connect", [
      ...["-a", "7", "-m", manager],
      ...shown(maria),
    ]);
    using client = await dialTest(operator.port);
    expect(await echoOnce(client.socket, 100_000)).toBeGreaterThan(0);
    const subjects = relay.events("handshake").map(({ subject }) => subject);
    expect(subjects).toEqual([
      "/O=localhost/OU=COMPUTERS/CN=uuid-7_1",
      "/O=localhost/OU=ADMINS/CN=maria",
    ]);
    const asked = async (path: string, by?: DevCertificate) => {
      const tls = by === undefined ? {} : { cert: by.certPem, key: by.keyPem };
      const answer = await fetch(manager + path, {
        tls: { ca: pki.caPem, ...tls },
        // Not the connection of whoever asked before.
        keepalive: false,
      });
      return answer.status;
    };
    expect([
      await asked("/health"),
      await asked(AGENTS_PATH),
      await asked(AGENTS_PATH, computer),
      await asked(AGENTS_PATH, maria),
      await asked("/tunnel"),
    ]).toEqual([200, 403, 403, 200, 403]);
    // An admin passes the proxy, and the manager refuses.
    await using other = await PythonPeer.start("agent", [
      ...agentFlags,
      ...shown(maria),
    ]);
    expect(await other.event("failed")).toMatchObject({
      error: "HTTPError: HTTP Error 403: Forbidden",
    });
  },
  30_000,
);

testRedis("two relays and a manager share their records in Redis", async () => {
  await using redis = await Redis.start();
  const shared = ["--redis", redis.url];
  await using first = await PythonPeer.start("relay", shared);
  await using second = await PythonPeer.start("relay", shared);
  await using manager = await PythonPeer.start("manager", shared);
  const url = `http://127.0.0.1:${manager.port}`;
  await using _agent = await PythonPeer.start("agent", [
    ...["--id", "7", "--relay", `ws://127.0.0.1:${second.port}/tunnel`],
  ]);
  await second.event("registered");
  const answer = await fetch(`${url}${AGENTS_PATH}/7`);
  expect(await answer.json()).toMatchObject({
    id: 7,
    relay: `ws://127.0.0.1:${second.port}/tunnel`,
  });
  // Nobody but the relay that an agent is on can reach it.
  await using lost = await PythonPeer.start("web_console", [
    ...["-a", "7", "-e", "migasfree sync"],
    ...["--relay", `ws://127.0.0.1:${first.port}/`],
  ]);
  expect(await lost.exited).toBe(1);
  await first.event("not_found", { id: 7 });
  // Register answers with a relay of the fewest agents.
  await using _other = await PythonPeer.start("agent", [
    ...["--id", "8", "--manager", url],
  ]);
  expect(await manager.event("register")).toMatchObject({ subject: "" });
  await Promise.any([
    first.event("registered", { id: 8 }),
    second.event("registered", { id: 8 }),
  ]);
}, 30_000);
