import { afterAll, beforeAll, expect } from "bun:test";
import { readFile } from "node:fs/promises";
import {
  enroll,
  enrolledIdentity,
  lifeThatEndsIn,
  makeToken,
  startEnrolled,
} from "../support/enrolment.ts";
import {
  gatewayBehindProxy,
  type Haproxy,
  HAPROXY_ADDRESS,
  startHaproxy,
} from "../support/haproxy.ts";
import { auditRecord } from "../support/operator.ts";
import { Site } from "../support/site.ts";
import {
  missingProgram,
  notLinux,
  testUnless,
} from "../support/test_unless.ts";
import { startTinyproxy } from "../support/tinyproxy.ts";

const missing = missingProgram("haproxy") ?? notLinux();
const test = testUnless(missing);

let site: Site;
let other: Site;
let haproxy: Haproxy;
let foreign: Haproxy;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  other = await Site.create();
  const port = await gatewayBehindProxy(
    site,
    "gateway",
    HAPROXY_ADDRESS,
    `[enroll]\npki_dir = "${site.pkiDir}"`,
  );
  haproxy = site.own(await startHaproxy(site, port));
  // The same gateway, behind a proxy whose certificate is of another CA.
  foreign = other.own(await startHaproxy(other, port));
}, 60_000);

afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
}, 30_000);

test("a computer enrols through a TLS proxy, and goes online", async () => {
  const { token } = await makeToken(site, "--device", "7");
  const enrolled = await enroll(site, haproxy.url, token, "seven");
  expect([enrolled.status, enrolled.sentence]).toEqual([0, ""]);
  const agent = startEnrolled(site, enrolled, { name: "seven" });
  await agent.line(/link\.open /);
  expect(await auditRecord(site, "gateway", { event: "device.enrolled" }))
    .toMatchObject({ deviceId: 7, address: "127.0.0.1" });
}, 30_000);

test(
  "where the proxy has another CA it must be named, and the pin is of ours",
  async () => {
    const { token } = await makeToken(site, "--device", "8");
    const { host } = new URL(foreign.url);
    const refused = await enroll(site, foreign.url, token, "eight");
    expect(refused.status).toBe(77);
    expect(refused.sentence).toStartWith(
      `Cannot reach ${host}: its certificate is signed by`,
    );
    const ca = `${other.pkiDir}/ca.pem`;
    const enrolled = await enroll(
      site,
      foreign.url,
      token,
      "eight",
      "--ca",
      ca,
    );
    expect([enrolled.status, enrolled.sentence]).toEqual([0, ""]);
    expect(await readFile(`${enrolled.folder}/ca.pem`, "utf8"))
      .toBe(await readFile(ca, "utf8"));

    // A token of another CA than signs is refused all the same.
    const wrong = await makeToken(other, "--device", "9");
    const ended = await enroll(
      site,
      foreign.url,
      wrong.token,
      "nine",
      "--ca",
      ca,
    );
    expect([ended.status, ended.sentence]).toEqual([
      77,
      `Cannot trust ${host}: its CA is not the one that the token names`,
    ]);
  },
  30_000,
);

test(
  "an expired certificate is asked about through a proxy that refuses it",
  async () => {
    const identity = await enrolledIdentity(site, 10, lifeThatEndsIn(-3));
    const { child } = await site.agent({
      ...{ id: 10, url: haproxy.url, identity, services: {} },
      top: "renew = true",
      waitFor: /link\.failed /,
    });
    child.kill("SIGHUP");
    const line = await child.line(/renew\.pending /);
    const [, id = ""] = /request=([0-9a-f]{16})/.exec(line) ?? [];
    await site.cli(["pki", "approve", site.pkiDir, id]);
    child.kill("SIGHUP");
    await child.line(/renew\.done /);
    await child.line(/link\.open /);
  },
  40_000,
);

test(
  "a computer that was revoked gets nothing past a proxy that forgot it",
  async () => {
    const identity = await enrolledIdentity(site, 11, lifeThatEndsIn(3));
    await site.cli(["pki", "revoke", site.pkiDir, "enrolled_11"]);
    // This HAProxy has read the CRL of before.
    const { child } = await site.agent({
      ...{ id: 11, url: haproxy.url, identity, services: {} },
      top: "renew = true",
    });
    child.kill("SIGHUP");
    expect(await child.line(/renew\.failed /))
      .toContain("code=certificateRevoked");
  },
  30_000,
);

testUnless(missing ?? missingProgram("tinyproxy"))(
  "a computer enrols by way of an HTTP proxy",
  async () => {
    await using proxy = await startTinyproxy();
    const { token } = await makeToken(site, "--device", "12");
    const enrolled = await enroll(
      site,
      haproxy.url,
      token,
      "twelve",
      ...["--proxy", `http://127.0.0.1:${proxy.port}`],
    );
    expect([enrolled.status, enrolled.sentence]).toEqual([0, ""]);
    expect(proxy.output()).toContain("CONNECT localhost");
  },
  30_000,
);
