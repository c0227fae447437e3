import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CertificateAuthority,
  type IssuedCertificate,
} from "../../src/runtime/certificate_authority.ts";
import { auditRecords, type Ended, operate } from "../support/operator.ts";
import { type Identity, Site } from "../support/site.ts";

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let operator: Identity;
let computer: Identity;
let closedPort: number;

beforeAll(async () => {
  site = await Site.create();
  gateway = await site.gateway();
  operator = await site.identity("operator", "maria");
  const unused = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  closedPort = unused.port;
  unused.stop(true);
  const agent = await site.agent({
    id: 7,
    url: gateway.url,
    services: { ssh: closedPort },
  });
  computer = agent.identity;
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** Asks for a service of a device, as whoever it is. */
function connect(who: Identity, device = "7", service = "ssh") {
  const args = ["connect", device, service, "--stdio"];
  return operate(site, gateway.url, who, args);
}

/** The codes and sentences of what was refused, newest last. */
async function refusals(event: string): Promise<string[]> {
  const records = await auditRecords(site);
  return records.filter((record) => record["event"] === event)
    .map(({ code, message }) => `${code}: ${message}`);
}

function expectEnd(end: Ended, status: number, sentence: RegExp): void {
  expect({ status: end.status, sentence: end.sentence }).toEqual({
    status,
    sentence: expect.stringMatching(sentence) as unknown as string,
  });
  expect(end.hint).not.toBe("");
}

/** Writes a certificate of our own making as an identity. */
async function identityOf(
  name: string,
  issued: IssuedCertificate,
): Promise<Identity> {
  const dir = join(site.dir, name);
  await mkdir(dir);
  const file = async (part: string, text: string) => {
    await writeFile(join(dir, part), text, { mode: 0o600 });
    return join(dir, part);
  };
  return {
    ca_file: `${site.pkiDir}/ca.pem`,
    cert_file: await file("cert.pem", issued.certPem),
    key_file: await file("key.pem", issued.keyPem),
  };
}

async function siteAuthority(): Promise<CertificateAuthority> {
  return await CertificateAuthority.load(
    await readFile(`${site.pkiDir}/ca.pem`, "utf8"),
    await readFile(`${site.pkiDir}/ca.key`, "utf8"),
  );
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

test("an operator hears that the service refused the connection", async () => {
  const end = await connect(operator);
  expectEnd(
    end,
    69,
    /^The device's ssh service does not answer: .*127\.0\.0\.1:\d+.*refused/,
  );
  expect((await refusals("tunnel.refused")).at(-1)).toMatch(
    /^serviceRefused: /,
  );
}, 20_000);

test("an operator hears that a device has no such service", async () => {
  const end = await connect(operator, "7", "telnet");
  expectEnd(end, 69, /^Device 7 offers no service "telnet", only: ssh$/);
  expect((await refusals("tunnel.refused")).at(-1)).toMatch(
    /^serviceUnknown: /,
  );
}, 20_000);

test("an operator hears that a device is unknown", async () => {
  expectEnd(await connect(operator, "99"), 69, /^There is no device 99/);
  expect((await refusals("tunnel.refused")).at(-1)).toMatch(/^deviceUnknown: /);
}, 20_000);

test("an operator hears that a device is offline, and since when", async () => {
  const agent = await site.agent({ id: 8, url: gateway.url, services: {} });
  await agent.child[Symbol.asyncDispose]();
  await gateway.child.line(/agent\.offline device=8 /);
  expectEnd(
    await connect(operator, "8"),
    69,
    /^Device 8 is offline, last seen \d+ s ago$/,
  );
  expect((await refusals("tunnel.refused")).at(-1)).toMatch(/^deviceOffline: /);
}, 40_000);

test("a computer's certificate cannot be an operator", async () => {
  expectEnd(await connect(computer), 77, /Cannot enter as operator/);
  expect((await refusals("link.refused")).at(-1)).toMatch(/^roleRefused: /);
}, 20_000);

test("an operator's certificate cannot be an agent", async () => {
  const agent = await site.agent({
    id: 21,
    url: gateway.url,
    services: {},
    identity: operator,
    waitFor: /link\.failed .*code=roleRefused/,
  });
  const line = await agent.child.line(/link\.failed /);
  const waitMs = Number(/waitMs=(\d+)/.exec(line)?.[1]);
  expect(waitMs).toBeGreaterThanOrEqual(120_000);
  expect((await refusals("link.refused")).at(-1)).toMatch(/^roleRefused: /);
}, 20_000);

test(
  "a second certificate cannot claim a bound device id, until it is released",
  async () => {
    const thief = await site.identity("computer", "thief_1");
    const options = { id: 7, url: gateway.url, services: {}, name: "thief" };
    await site.agent({
      ...options,
      identity: thief,
      waitFor: /link\.failed .*code=deviceBound/,
    });
    expect((await refusals("link.refused")).at(-1)).toMatch(/^deviceBound: /);
    const owner = await site.agent({ id: 31, url: gateway.url, services: {} });
    await owner.child[Symbol.asyncDispose]();
    await site.cli(["gateway", "release", "31", "--config", gateway.config]);
    await site.agent({ ...options, id: 31, name: "heir", identity: thief });
  },
  60_000,
);

test("an expired certificate is refused", async () => {
  const authority = await siteAuthority();
  const validity = { notBefore: daysFromNow(-9), notAfter: daysFromNow(-2) };
  const issued = await authority.issueOperator("late", validity);
  const end = await connect(await identityOf("late", issued));
  expectEnd(end, 77, /it expired 2 days ago/);
  expect((await refusals("link.refused")).at(-1)).toMatch(
    /^certificateExpired: /,
  );
}, 20_000);

test("a certificate of another CA is refused", async () => {
  const authority = await CertificateAuthority.create("localhost");
  const validity = { notBefore: daysFromNow(-1), notAfter: daysFromNow(9) };
  const issued = await authority.issueOperator("maria", validity);
  const end = await connect(await identityOf("foreign", issued));
  expectEnd(end, 77, /^Cannot trust certificate/);
  expect((await refusals("link.refused")).at(-1)).toMatch(
    /^certificateUntrusted: /,
  );
}, 20_000);

test("a gateway of another CA is refused, by the operator", async () => {
  const other = await CertificateAuthority.create("localhost");
  const caFile = await site.write("other_ca.pem", other.certPem);
  const end = await connect({ ...operator, ca_file: caFile });
  expectEnd(end, 77, /^Cannot reach localhost:\d+: /);
}, 20_000);

test("a gateway with another name is refused, by the operator", async () => {
  const url = gateway.url.replace("localhost", "127.0.0.2");
  const args = ["connect", "7", "ssh", "--stdio"];
  const wrong = await site.gateway({ name: "wrong", address: "127.0.0.2" });
  const end = await operate(
    site,
    url.replace(/:\d+/, `:${wrong.port}`),
    operator,
    args,
  );
  expectEnd(end, 77, /^Cannot reach 127\.0\.0\.2:\d+: /);
}, 20_000);

test(
  "a revoked certificate is refused, without a restart of the gateway",
  async () => {
    const leaver = await site.identity("operator", "leaver");
    expectEnd(await connect(leaver, "99"), 69, /^There is no device 99/);
    await site.cli(["pki", "revoke", site.pkiDir, "leaver"]);
    await gateway.child.line(/identity\.reloaded .*revoked=1/);
    expectEnd(await connect(leaver, "99"), 77, /it was revoked/);
    expect((await refusals("link.refused")).at(-1)).toMatch(
      /^certificateRevoked: /,
    );
  },
  30_000,
);

test(
  "a name that does not resolve, and a port where nobody listens",
  async () => {
    const args = ["connect", "7", "ssh", "--stdio"];
    const nowhere = "wss://gateway.invalid/tunnel";
    expectEnd(
      await operate(site, nowhere, operator, args),
      69,
      /^Cannot reach gateway\.invalid:443: /,
    );
    const closed = `wss://localhost:${closedPort}/tunnel`;
    expectEnd(
      await operate(site, closed, operator, args),
      69,
      /^Cannot reach localhost:\d+: /,
    );
  },
  30_000,
);
