import { afterAll, beforeAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { validityOfDays } from "../../src/runtime/certificate_authority.ts";
import { EnrollDirectory } from "../../src/runtime/enroll_directory.ts";
import { requestFor } from "../../src/runtime/own_request.ts";
import {
  enrolledIdentity,
  enrollingGateway,
  lifeThatEndsIn,
} from "../support/enrolment.ts";
import { openEcho } from "../support/listener.ts";
import { nthLine } from "../support/nth_line.ts";
import { auditRecord, auditRecords, operate } from "../support/operator.ts";
import { type Identity, Site } from "../support/site.ts";
import { serveTcp, type TestServer } from "../support/tcp_peer.ts";

let site: Site;
let echo: TestServer;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  operator = await site.identity("operator", "maria");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** An agent that renews; it looks at once when it hears SIGHUP. */
async function renewingAgent(
  url: string,
  id: number,
  leftDays: number,
  waitFor = /link\.open /,
) {
  const identity = await enrolledIdentity(site, id, lifeThatEndsIn(leftDays));
  const name = `renewing-${id}`;
  const { child } = await site.agent({
    ...{ id, url, identity, name, waitFor },
    services: { echo: echo.port },
    top: "renew = true",
  });
  return { child, identity, renewedFile: `${site.dir}/${name}/renewed.pem` };
}

async function read(path: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path, "utf8"));
}

function daysLeft(certificate: X509Certificate): number {
  const leftMs = certificate.validToDate.getTime() - Date.now();
  return Math.round(leftMs / 86_400_000);
}

test(
  "a certificate is renewed while a tunnel moves bytes, and none is lost",
  async () => {
    const { child: gateway, url } = await enrollingGateway(site, "moving");
    const { child, identity, renewedFile } = await renewingAgent(url, 7, 10);
    using tunnel = await openEcho(site, url, operator, "7");
    let isRenewed = false;
    let echoedCount = 0;
    const moving = (async () => {
      while (!isRenewed || echoedCount < 50) {
        await tunnel.echo(200_000);
        echoedCount++;
      }
    })();
    child.kill("SIGHUP");
    await child.line(/renew\.done until=/);
    // The renewal itself; the one before was SIGHUP's own.
    await nthLine(child, /link\.lost .*code=identityChanged/, 2);
    await nthLine(child, /link\.open /, 3);
    isRenewed = true;
    await moving;

    const before = await read(identity.cert_file);
    const after = await read(renewedFile);
    expect([after.subject, daysLeft(before), daysLeft(after)])
      .toEqual([before.subject, 10, 90]);
    expect(gateway.output().stderr).not.toContain("tunnel.close");
    const listed = await operate(site, url, operator, ["devices", "--json"]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id: 7, online: true }]);
    const renewed = await auditRecord(site, "moving", {
      event: "certificate.renewed",
      serial: after.serialNumber.toLowerCase(),
    });
    expect(renewed["subject"]).toBe("CN=enrolled_7,OU=COMPUTERS,O=localhost");
    // It is due in two months, whoever asks.
    child.kill("SIGHUP");
    await nthLine(gateway, /agent\.online /, 4);
    const records = await auditRecords(site, "moving");
    expect(records.filter(({ event }) => event === "certificate.renewed"))
      .toHaveLength(1);
  },
  60_000,
);

test("an agent shows what it has renewed after a restart, too", async () => {
  const { url } = await enrollingGateway(site, "restarted");
  const identity = await enrolledIdentity(site, 8, lifeThatEndsIn(-1));
  const csr = await requestFor(
    "enrolled_8",
    await readFile(identity.key_file, "utf8"),
  );
  const directory = new EnrollDirectory(site.pkiDir);
  const { pem } = await directory.issue(csr, "enrolled_8", 90);
  await site.write("renewing-8/renewed.pem", pem);
  const { child } = await site.agent({
    ...{ id: 8, url, identity, name: "renewing-8", services: {} },
    top: "renew = true",
  });
  expect(child.output().stderr).not.toContain("link.failed");
}, 30_000);

test(
  "an expired certificate waits for approval, and is no lock-out",
  async () => {
    const { child: gateway, url } = await enrollingGateway(site, "expired");
    const { child } = await renewingAgent(
      url,
      9,
      -20,
      /link\.failed .*code=certificateExpired/,
    );
    child.kill("SIGHUP");
    const line = await child.line(/renew\.pending /);
    const [, id = ""] = /request=([0-9a-f]{16})/.exec(line) ?? [];
    expect(line).toContain(`pki approve DIR ${id}`);
    await gateway.line(/certificate\.pending name=enrolled_9 /);
    const listed = await site.cli(["pki", "pending", site.pkiDir, "--json"]);
    expect(JSON.parse(listed)).toMatchObject([
      { id, name: "enrolled_9", address: "127.0.0.1" },
    ]);
    // To ask again is no other question.
    child.kill("SIGHUP");
    await nthLine(child, /link\.failed .*code=certificateExpired/, 3);
    expect(await site.cli(["pki", "pending", site.pkiDir, "--json"]))
      .toBe(listed);

    await site.cli(["pki", "approve", site.pkiDir, id]);
    child.kill("SIGHUP");
    await child.line(/renew\.done /);
    await child.line(/link\.open /);
    expect(await site.cli(["pki", "pending", site.pkiDir, "--json"]))
      .toBe("[]\n");
    expect(await auditRecord(site, "expired", { event: "certificate.asked" }))
      .toMatchObject({ request: id, address: "127.0.0.1" });
  },
  60_000,
);

test("a revoked certificate is not renewed, expired or not", async () => {
  const { url } = await enrollingGateway(site, "revoking");
  const { child } = await renewingAgent(url, 10, 5);
  await site.cli(["pki", "revoke", site.pkiDir, "enrolled_10"]);
  await child.line(/code=certificateRevoked/);
  child.kill("SIGHUP");
  const failed = await child.line(/renew\.failed /);
  expect(failed).toContain(
    'message="Cannot renew certificate: it was revoked"',
  );
}, 30_000);

test(
  "a renewed file that is broken, or another key's, locks nobody out",
  async () => {
    const { url } = await enrollingGateway(site, "broken");
    const name = "renewing-11";
    const life = validityOfDays(60, new Date());
    const identity = await enrolledIdentity(site, 11, life);
    const other = await enrolledIdentity(
      site,
      12,
      validityOfDays(80, new Date()),
    );
    for (const text of ["no PEM", await readFile(other.cert_file, "utf8")]) {
      await site.write(`${name}/renewed.pem`, text);
      const { child } = await site.agent({
        ...{ id: 11, url, identity, name, services: {}, top: "renew = true" },
      });
      await child[Symbol.asyncDispose]();
      await writeFile(`${site.dir}/${name}/renewed.pem`, "");
    }
  },
  30_000,
);

test(
  "an agent says that its clock is wrong by days, and does not give up",
  async () => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        const date = new Date(Date.now() + 9 * 86_400_000).toUTCString();
        return Response.json({}, { status: 503, headers: { date } });
      },
    });
    const url = `ws://127.0.0.1:${server.port}/tunnel`;
    const { child } = await renewingAgent(url, 13, 5, /link\.failed /);
    child.kill("SIGHUP");
    const line = await child.line(/clock\.wrong /);
    const days = Number(/skewMs=(\S+)/.exec(line)?.[1]) / 86_400_000;
    expect(Math.round(days)).toBe(-9);
    await child.line(/renew\.failed attempt=1 /);
  },
  30_000,
);
