import { afterAll, beforeAll, expect, test } from "bun:test";
import { validityOfDays } from "../../src/runtime/certificate_authority.ts";
import type { Child } from "../support/child.ts";
import { enrolledIdentity, enrollingGateway } from "../support/enrolment.ts";
import { nthLine } from "../support/nth_line.ts";
import { auditRecord } from "../support/operator.ts";
import { type Identity, Site } from "../support/site.ts";

let site: Site;

beforeAll(async () => {
  site = await Site.create();
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

async function start(
  url: string,
  id: number,
  identity: Identity,
  name: string,
): Promise<Child> {
  return (await site.agent({ id, url, identity, name, services: {} })).child;
}

/** Two copies of one computer, of which each takes the device again. */
async function fight(
  gateway: Child,
  [first, second]: readonly [Child, Child],
  onlineCount: number,
): Promise<void> {
  const order = [first, second, first];
  for (const [at, copy] of order.entries()) {
    copy.kill("SIGHUP");
    await nthLine(gateway, /agent\.online /, onlineCount + at + 1);
  }
}

test("two computers with one certificate are reported, and go on", async () => {
  const { child: gateway, url } = await enrollingGateway(site, "reporting");
  const life = validityOfDays(60, new Date());
  const identity = await enrolledIdentity(site, 7, life);
  const first = await start(url, 7, identity, "copy-1");
  const second = await start(url, 7, identity, "copy-2");
  await fight(gateway, [first, second], 2);
  await gateway.line(/device\.cloned device=7 .*quarantined=false/);
  expect(await auditRecord(site, "reporting", { event: "device.cloned" }))
    .toMatchObject({
      deviceId: 7,
      subject: "CN=enrolled_7,OU=COMPUTERS,O=localhost",
      addresses: ["127.0.0.1", "127.0.0.1"],
      quarantined: false,
    });
  second.kill("SIGHUP");
  await nthLine(gateway, /agent\.online /, 6);
}, 60_000);

test("a quarantined device comes in no more until it is released", async () => {
  const { child: gateway, config, url } = await enrollingGateway(
    site,
    "strict",
    "quarantine",
  );
  const life = validityOfDays(60, new Date());
  const identity = await enrolledIdentity(site, 8, life);
  const first = await start(url, 8, identity, "clone-1");
  const second = await start(url, 8, identity, "clone-2");
  await fight(gateway, [first, second], 2);
  await gateway.line(/device\.cloned device=8 .*quarantined=true/);
  await first.line(/link\.lost .*code=deviceBound/);
  second.kill("SIGHUP");
  expect(await second.line(/link\.failed .*code=deviceBound/))
    .toContain("it is quarantined: two computers have shown its certificate");

  await second[Symbol.asyncDispose]();
  await site.cli(["gateway", "release", "8", "--config", config]);
  first.kill("SIGHUP");
  await nthLine(gateway, /agent\.online /, 6);
}, 60_000);

test("an agent that reconnects, or is started anew, is no clone", async () => {
  const { child: gateway, url } = await enrollingGateway(
    site,
    "calm",
    "quarantine",
  );
  const life = validityOfDays(60, new Date());
  const identity = await enrolledIdentity(site, 9, life);
  let onlineCount = 0;
  for (let starts = 0; starts < 3; starts++) {
    const agent = await start(url, 9, identity, "same");
    onlineCount++;
    for (let hangUps = 0; hangUps < 3; hangUps++) {
      agent.kill("SIGHUP");
      await nthLine(gateway, /agent\.online /, ++onlineCount);
    }
    // Killed: its link may still stand when the next one comes.
    agent.kill("SIGKILL");
    await agent.exited;
  }
  expect(gateway.output().stderr).not.toContain("device.cloned");
}, 60_000);
