import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type TLSSocket } from "node:tls";
import { validityOfDays } from "../../src/runtime/certificate_authority.ts";
import { openEcho } from "../support/listener.ts";
import { auditRecords, operate } from "../support/operator.ts";
import { RawGateway } from "../support/raw_gateway.ts";
import { rejection } from "../support/rejection.ts";
import { type Identity, Site } from "../support/site.ts";
import { replaceFiles, siteAuthority } from "../support/site_authority.ts";
import { serveTcp, type TestServer } from "../support/tcp_peer.ts";

/** What the product promises, from a file's change to what follows. */
const NOTICED_MAX_MS = 5_000;

let site: Site;
let echo: TestServer;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  operator = await site.identity("operator", "maria");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

function computer(name: string): Promise<Identity> {
  return site.identity("computer", name);
}

/**
 * The serial number of the certificate that a gateway shows. Who comes in the
 * moment in which it changes is reset (docs/adr/0023), and comes again.
 */
async function shownSerial(port: number): Promise<string> {
  try {
    return await askSerial(port);
  } catch (error) {
    if (Reflect.get(Object(error), "code") !== "ECONNRESET") throw error;
    return await askSerial(port);
  }
}

async function askSerial(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket: TLSSocket = connect(
    { port, host: "127.0.0.1", rejectUnauthorized: false },
    () => resolve(socket.getPeerCertificate().serialNumber.toLowerCase()),
  );
  socket.once("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

test(
  "a renewed certificate of an agent is shown at once, and no tunnel ends",
  async () => {
    const { child: gateway, url } = await site.gateway({ name: "renewing" });
    const identity = await computer("renewed_7");
    const services = { echo: echo.port };
    const { child: agent } = await site.agent({
      id: 7,
      url,
      services,
      identity,
    });
    using tunnel = await openEcho(site, url, operator, "7");
    const authority = await siteAuthority(site);
    const next = await authority.issueComputer(
      "renewed_7",
      validityOfDays(30, new Date()),
    );
    const startMs = performance.now();
    await replaceFiles(next, identity.cert_file, identity.key_file);
    const lost = await agent.line(/link\.lost .*code=identityChanged/);
    expect(Number(/waitMs=(\d+)/.exec(lost)?.[1])).toBe(0);
    await gateway.line(/agent\.offline .*code=identityChanged/);
    await tunnel.echo();
    const listed = await operate(site, url, operator, ["devices", "--json"]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id: 7, online: true }]);
    expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    expect(gateway.output().stderr).not.toContain("tunnel.close");
  },
  30_000,
);

test(
  "the certificate that an agent shows after a renewal is the new one",
  async () => {
    await using gateway = await RawGateway.listen(site);
    const identity = await computer("shown_8");
    await using agent = (await site.agent({
      id: 8,
      url: gateway.url,
      services: {},
      identity,
      waitFor: /agent\.start/,
    })).child;
    const before = await gateway.visit();
    await before.link.nextOf("hello");
    const authority = await siteAuthority(site);
    const validity = validityOfDays(30, new Date());
    const next = await authority.issueComputer("shown_8", validity);
    // Half of a renewal is none: the agent waits for the key, too.
    const other = await authority.issueComputer("shown_8", validity);
    await replaceFiles(
      { ...next, keyPem: other.keyPem },
      identity.cert_file,
      identity.key_file,
    );
    before.link.send({ type: "heartbeat" });
    before.link.close(1000);
    await agent.line(/link\.failed .*code=configInvalid/);
    await replaceFiles(next, identity.cert_file, identity.key_file);
    const after = await gateway.visit();
    expect(after.serial?.toLowerCase()).toBe(next.serial);
    expect(before.serial).not.toBe(after.serial);
  },
  30_000,
);

test(
  "a renewed certificate of a gateway is shown to whoever comes then",
  async () => {
    const { child, port, url } = await site.gateway({ name: "shown" });
    await site.agent({ id: 9, url, services: { echo: echo.port } });
    using tunnel = await openEcho(site, url, operator, "9");
    const authority = await siteAuthority(site);
    const next = await authority.issueGateway(
      ["localhost", "127.0.0.1"],
      validityOfDays(30, new Date()),
    );
    const startMs = performance.now();
    expect(await shownSerial(port)).not.toBe(next.serial);
    const dir = `${site.pkiDir}/gateway`;
    await replaceFiles(next, `${dir}/cert.pem`, `${dir}/key.pem`);
    await child.line(/identity\.reloaded/);
    expect(await shownSerial(port)).toBe(next.serial);
    expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    await tunnel.echo();
    expect(child.output().stderr).not.toMatch(/agent\.offline|tunnel\.close/);
  },
  30_000,
);

test("a revoked operator loses its tunnels, and nobody else does", async () => {
  const { child: gateway, url } = await site.gateway({ name: "leaving" });
  await site.agent({ id: 10, url, services: { echo: echo.port } });
  const leaver = await site.identity("operator", "leaver");
  using stays = await openEcho(site, url, operator, "10");
  using leaves = await openEcho(site, url, leaver, "10");
  const startMs = performance.now();
  await site.cli(["pki", "revoke", site.pkiDir, "leaver"]);
  expect(await rejection(leaves.client.ended)).toMatchObject({
    code: "ECONNRESET",
  });
  expect(await leaves.child.line(/^migasfree-agent: /)).toBe(
    "migasfree-agent: Cannot trust certificate: it was revoked",
  );
  expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
  await gateway.line(/tunnel\.close .*code=certificateRevoked/);
  await stays.echo();
  expect((await auditRecords(site, "leaving")).at(-1)).toMatchObject({
    event: "tunnel.closed",
    operator: "leaver",
    code: "certificateRevoked",
  });
}, 30_000);

test("a revoked computer loses its link and its tunnels", async () => {
  const { child: gateway, url } = await site.gateway({ name: "lost" });
  const identity = await computer("stolen_11");
  const services = { echo: echo.port };
  const agent = await site.agent({ id: 11, url, services, identity });
  using tunnel = await openEcho(site, url, operator, "11");
  const startMs = performance.now();
  await site.cli(["pki", "revoke", site.pkiDir, "stolen_11"]);
  expect(await rejection(tunnel.client.ended)).toMatchObject({
    code: "ECONNRESET",
  });
  const lost = await agent.child.line(/link\.lost .*code=certificateRevoked/);
  expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
  expect(Number(/waitMs=(\d+)/.exec(lost)?.[1])).toBeGreaterThanOrEqual(
    120_000,
  );
  await gateway.line(/agent\.offline .*code=certificateRevoked/);
  await agent.child.line(/tunnel\.close .*code=certificateRevoked/);
  await gateway.line(/tunnel\.close .*code=certificateRevoked/);
  const records = await auditRecords(site, "lost");
  expect(records.filter(({ code }) => code === "certificateRevoked"))
    .toMatchObject([{ event: "link.revoked" }, { event: "tunnel.closed" }]);

  // Nor does it get in again, however it hurries.
  agent.child.kill("SIGHUP");
  await agent.child.line(/link\.failed .*code=certificateRevoked/);
}, 30_000);
