import { afterAll, beforeAll, expect } from "bun:test";
import {
  gatewayBehindProxy,
  type Haproxy,
  HAPROXY_ADDRESS,
  startHaproxy,
} from "../support/haproxy.ts";
import { auditRecords, type Ended, operate } from "../support/operator.ts";
import { RawLink } from "../support/raw_link.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { issueIdentity } from "../support/site_authority.ts";
import {
  dialTest,
  echoOnce,
  serveTcp,
  type TestServer,
} from "../support/tcp_peer.ts";
import {
  missingProgram,
  notLinux,
  testUnless,
} from "../support/test_unless.ts";

const HEADER = "X-SSL-Client-CN";
const COMPUTER = "/O=localhost/OU=COMPUTERS/CN=uuid-7_1";

// All of 127.0.0.0/8 is this computer's on Linux alone.
const missing = missingProgram("haproxy") ?? notLinux();
const test = testUnless(missing);

let site: Site;
let haproxy: Haproxy;
let operator: Identity;
let computer: Identity;
let echo: TestServer;
let gatewayPort: number;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  gatewayPort = await gatewayBehindProxy(site, "gateway", HAPROXY_ADDRESS);
  haproxy = site.own(await startHaproxy(site, gatewayPort));
  operator = await site.identity("operator", "maria");
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  ({ identity: computer } = await site.agent({
    id: 7,
    url: haproxy.url,
    services: { echo: echo.port },
  }));
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

async function lastRefusal(name = "gateway"): Promise<unknown> {
  const records = await auditRecords(site, name);
  const refused = records.findLast(({ event }) => event === "link.refused");
  const { address, code, path, subject } = refused ?? {};
  return { address, code, path, subject };
}

function expectEnd(end: Ended, status: number, sentence: RegExp): void {
  expect({ status: end.status, sentence: end.sentence }).toEqual({
    status,
    sentence: expect.stringMatching(sentence) as unknown as string,
  });
  expect(end.hint).not.toBe("");
}

test(
  "a tunnel works through HAProxy, and its audit says who and whence",
  async () => {
    const flags = site.operatorFlags(haproxy.url, operator);
    await using listener = site.start(
      [BINARY, "connect", "7", "echo", "--listen", "127.0.0.1:0", ...flags],
    );
    const line = await listener.line(/^listening /);
    using client = await dialTest(Number(line.split(":").at(-1)));
    await echoOnce(client.socket, 1_000_000);
    const opened = (await auditRecords(site)).at(-1);
    expect(opened).toMatchObject({
      event: "tunnel.opened",
      operator: "maria",
      operatorSubject: "CN=maria,OU=ADMINS,O=localhost",
      // HAProxy's own would be 127.0.0.9.
      address: "127.0.0.1",
      deviceId: 7,
      service: "echo",
    });
  },
  20_000,
);

test("whose certificate is for the other role is refused", async () => {
  const args = ["connect", "7", "echo", "--stdio"];
  const end = await operate(site, haproxy.url, computer, args);
  expectEnd(end, 77, /^Cannot enter as operator: /);
  expect(await lastRefusal()).toEqual({
    address: "127.0.0.1",
    code: "roleRefused",
    path: "/tunnel/connect",
    subject: COMPUTER,
  });
  await using link = await RawLink.dial({
    url: haproxy.url,
    identity: operator,
  });
  expect((await link.closed).code).toBe(4406);
}, 20_000);

test(
  "who shows HAProxy no certificate is refused, whatever it claims",
  async () => {
    for (const headers of [{}, { [HEADER]: COMPUTER }]) {
      await using link = await RawLink.dial({ url: haproxy.url, headers });
      expect(await link.closed).toEqual({
        code: 4401,
        reason: "Cannot enter without a certificate",
      });
    }
  },
  20_000,
);

test("what a client claims beside its certificate is overwritten", async () => {
  const headers = { [HEADER]: "/O=localhost/OU=ADMINS/CN=maria" };
  await using link = await RawLink.dial({
    url: `${haproxy.url}/connect?device=7&service=echo`,
    identity: computer,
    subprotocol: "migasfree.stream.v2",
    headers,
  });
  expect((await link.closed).code).toBe(4406);
}, 20_000);

test("a revoked certificate does not come past HAProxy", async () => {
  await site.identity("operator", "leaver");
  await site.cli(["pki", "revoke", site.pkiDir, "leaver"]);
  await using strict = await startHaproxy(site, gatewayPort);
  const leaver = {
    "ca_file": `${site.pkiDir}/ca.pem`,
    "cert_file": `${site.pkiDir}/operators/leaver/cert.pem`,
    "key_file": `${site.pkiDir}/operators/leaver/key.pem`,
  };
  const args = ["connect", "7", "echo", "--stdio"];
  const end = await operate(site, strict.url, leaver, args);
  expectEnd(end, 77, /^Cannot reach localhost:\d+: /);
}, 20_000);

test("a name that only looks like another role's is refused", async () => {
  const organisation = ["O", "localhost"] as const;
  const tricks = {
    "an OU inside of a CN": [
      organisation,
      ["OU", "COMPUTERS"],
      ["CN", "x/OU=ADMINS"],
    ],
    "both roles": [
      organisation,
      ["OU", "ADMINS"],
      ["OU", "COMPUTERS"],
      ["CN", "x"],
    ],
    "a role in the O": [["O", "x/OU=ADMINS"], ["OU", "COMPUTERS"], ["CN", "x"]],
    "an OU of more words": [organisation, ["OU", "ADMINS2"], ["CN", "x"]],
    "two CNs": [organisation, ["OU", "ADMINS"], ["CN", "x"], ["CN", "y"]],
  } as const;
  for (const [what, subject] of Object.entries(tricks)) {
    const name = what.replaceAll(" ", "_");
    const identity = await issueIdentity(site, name, subject);
    for (const path of ["", "/connect?device=7&service=echo"]) {
      await using link = await RawLink.dial({
        url: `${haproxy.url}${path}`,
        identity,
        subprotocol: path === ""
          ? "migasfree.control.v2"
          : "migasfree.stream.v2",
      });
      expect([what, path, (await link.closed).code]).toEqual([
        what,
        path,
        4406,
      ]);
    }
  }
}, 20_000);

test("an identity is believed from the trusted address alone", async () => {
  const port = await gatewayBehindProxy(site, "strict", "10.1.2.3");
  const url = `ws://127.0.0.1:${port}/tunnel`;
  const headers = { [HEADER]: COMPUTER, "X-Forwarded-For": "10.1.2.3" };
  await using forged = await RawLink.dial({ url, headers });
  expect(await forged.closed).toEqual({
    code: 4411,
    reason: `Cannot believe ${HEADER} from 127.0.0.1`,
  });
  expect(await lastRefusal("strict")).toEqual({
    address: "127.0.0.1",
    code: "identityForged",
    path: "/tunnel",
    subject: COMPUTER,
  });
  await using nameless = await RawLink.dial({ url });
  expect((await nameless.closed).code).toBe(4401);
}, 20_000);

test("a client's own word of where it is does not count", async () => {
  for (const forwarded of ["set", "option"] as const) {
    await using proxy = await startHaproxy(site, gatewayPort, forwarded);
    const headers = { "X-Forwarded-For": "6.6.6.6" };
    await using link = await RawLink.dial({
      url: proxy.url,
      identity: operator,
      headers,
    });
    await link.closed;
    const refused = await lastRefusal();
    expect([forwarded, refused]).toEqual([
      forwarded,
      expect.objectContaining({ address: "127.0.0.1" }),
    ]);
  }
}, 20_000);

test("each handshake says which device it is about", async () => {
  const flags = site.operatorFlags(haproxy.url, operator);
  await using listener = site.start(
    [BINARY, "connect", "7", "echo", "--listen", "127.0.0.1:0", ...flags],
  );
  const line = await listener.line(/^listening /);
  using client = await dialTest(Number(line.split(":").at(-1)));
  await echoOnce(client.socket, 1);
  client.socket.end();
  await client.ended;
  // HAProxy logs a request once it is over: here when both have left.
  await haproxy.child.line(/^\/tunnel\/stream status=101 agent=7$/);
  await haproxy.child.line(/^\/tunnel\/connect\?\S+ status=101 agent=7$/);
  await using own = await startHaproxy(site, gatewayPort);
  const agent = await site.agent({ id: 9, url: own.url, services: {} });
  await agent.child[Symbol.asyncDispose]();
  await own.child.line(/^\/tunnel status=101 agent=9$/);
}, 20_000);

test("a gateway that is gone is HAProxy's to tell", async () => {
  await using alone = await startHaproxy(site, 1);
  const args = ["connect", "7", "echo", "--stdio"];
  const end = await operate(site, alone.url, operator, args);
  expectEnd(
    end,
    69,
    /^Cannot use localhost:\d+: nobody serves this behind its proxy \(503\)$/,
  );
}, 20_000);
