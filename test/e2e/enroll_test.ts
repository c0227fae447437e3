import { afterAll, beforeAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import {
  enroll,
  enrolledIdentity,
  enrollingGateway,
  lifeThatEndsIn,
  makeToken,
  startEnrolled,
} from "../support/enrolment.ts";
import { openEcho } from "../support/listener.ts";
import { auditRecord } from "../support/operator.ts";
import { Site } from "../support/site.ts";
import { serveTcp, type TestServer } from "../support/tcp_peer.ts";

let site: Site;
let other: Site;
let echo: TestServer;
let url: string;

beforeAll(async () => {
  site = await Site.create();
  other = await Site.create();
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  ({ url } = await enrollingGateway(site, "gateway"));
}, 60_000);

afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
}, 30_000);

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

test(
  "a computer enrols with a token, and a tunnel goes to it",
  async () => {
    const { token, id } = await makeToken(site, "--device", "7");
    const enrolled = await enroll(
      site,
      url,
      token,
      "seven",
      "--name",
      "aula-7",
    );
    expect(enrolled.sentence).toBe("");
    expect(enrolled.status).toBe(0);
    const { folder } = enrolled;
    expect((await readdir(folder)).sort())
      .toEqual(["ca.pem", "cert.pem", "key.pem"]);
    expect([await modeOf(folder), await modeOf(`${folder}/key.pem`)])
      .toEqual(["700", "600"]);
    const certificate = new X509Certificate(
      await readFile(`${folder}/cert.pem`, "utf8"),
    );
    expect(certificate.subject)
      .toBe("O=localhost\nOU=COMPUTERS\nCN=enrolled_7");
    const lifeMs = certificate.validToDate.getTime() - Date.now();
    expect(Math.round(lifeMs / 86_400_000)).toBe(90);

    const agent = startEnrolled(site, enrolled, {
      name: "seven",
      services: { echo: echo.port },
    });
    await agent.line(/link\.open /);
    const operator = await site.identity("operator", "maria");
    using tunnel = await openEcho(site, url, operator, "aula-7");
    await tunnel.echo(100_000);

    const serial = certificate.serialNumber.toLowerCase();
    expect(await auditRecord(site, "gateway", { event: "device.enrolled" }))
      .toMatchObject({
        ...{ deviceId: 7, name: "aula-7", serial, address: "127.0.0.1" },
        ...{ subject: "CN=enrolled_7,OU=COMPUTERS,O=localhost", token: id },
      });
    const kept = await readFile(
      `${site.pkiDir}/enroll/used/${id}.json`,
      "utf8",
    );
    expect(kept).not.toContain(token.split(".")[2] ?? "none");
  },
  30_000,
);

test("a token is good once, and for the key that it was used for", async () => {
  const { token } = await makeToken(site, "--device", "8");
  const first = await enroll(site, url, token, "eight");
  expect(first.status).toBe(0);
  const second = await enroll(site, url, token, "eight-copy");
  expect([second.status, second.sentence])
    .toEqual([77, "Cannot enrol: the token was used before"]);
  expect(await readdir(second.folder)).toEqual(["key.pem.new"]);

  // Its answer was lost: the same key asks again.
  const key = await readFile(`${first.folder}/key.pem`, "utf8");
  await site.write("eight-again/identity/key.pem.new", key);
  const again = await enroll(site, url, token, "eight-again");
  expect([again.status, again.sentence]).toEqual([0, ""]);
  expect(await readFile(`${again.folder}/cert.pem`, "utf8"))
    .toBe(await readFile(`${first.folder}/cert.pem`, "utf8"));
}, 30_000);

test("of several who use a token at once, one gets a certificate", async () => {
  const second = await enrollingGateway(site, "second");
  const { token } = await makeToken(site, "--device", "9");
  const names = ["a", "b", "c", "d"].map((name) => `nine-${name}`);
  const ends = await Promise.all(
    names.map((name, at) =>
      enroll(site, at % 2 === 0 ? url : second.url, token, name)
    ),
  );
  expect(ends.map(({ status }) => status).sort()).toEqual([0, 77, 77, 77]);
  expect(await readdir(`${site.pkiDir}/issued/computers/enrolled_9`))
    .toHaveLength(1);
}, 40_000);

test("an expired token is refused, with the time of its end", async () => {
  const { token, id } = await makeToken(site, "--device", "10", "--ttl", "1s");
  const path = `${site.pkiDir}/enroll/tokens/${id}.json`;
  const record = JSON.parse(await readFile(path, "utf8"));
  const expiresAtMs = Date.UTC(2026, 0, 1);
  await writeFile(path, JSON.stringify({ ...record, expiresAtMs }));
  const ended = await enroll(site, url, token, "ten");
  expect([ended.status, ended.sentence]).toEqual([
    77,
    "Cannot enrol: the token expired at 2026-01-01T00:00:00.000Z",
  ]);
}, 20_000);

test("a token for one device enrols no other", async () => {
  const { token } = await makeToken(site, "--device", "11");
  const ended = await enroll(site, url, token, "twelve", "--device", "12");
  expect([ended.status, ended.sentence]).toEqual([
    77,
    "Cannot enrol: the token is for device 11, not for 12",
  ]);
  // Nor was it used up by that.
  expect((await enroll(site, url, token, "eleven")).status).toBe(0);
}, 20_000);

test(
  "a token for any device enrols none that has enrolled, or is bound",
  async () => {
    const first = await makeToken(site);
    expect(
      (await enroll(site, url, first.token, "thirteen", "--device", "13"))
        .status,
    ).toBe(0);
    const second = await makeToken(site);
    const taken = await enroll(site, url, second.token, "x", "--device", "13");
    expect([taken.status, taken.sentence, taken.hint]).toEqual([
      77,
      "Cannot enrol device 13: it has enrolled before",
      "Make a token with `pki token --device 13`",
    ]);
    await site.agent({ id: 14, url, services: {} });
    const bound = await makeToken(site, "--device", "14");
    const refused = await enroll(site, url, bound.token, "y");
    expect([refused.status, refused.sentence, refused.hint]).toEqual([
      77,
      "Cannot enrol device 14: it is bound already",
      "Run `migasfree-agent gateway release 14` there first",
    ]);
  },
  30_000,
);

test(
  "a gateway of another CA is not trusted: the pin of the token is another",
  async () => {
    const { token } = await makeToken(other, "--device", "7");
    const ended = await enroll(site, url, token, "foreign");
    expect([ended.status, ended.sentence]).toEqual([
      77,
      `Cannot trust ${
        new URL(url).host
      }: its CA is not the one that the token names`,
    ]);
    // It said so before it made anything.
    expect(await readdir(`${site.dir}/foreign`).catch(() => "none"))
      .toBe("none");
  },
  20_000,
);

test("enroll again changes nothing, and asks nobody", async () => {
  const { token } = await makeToken(site, "--device", "15");
  const first = await enroll(site, url, token, "fifteen");
  const config = await readFile(first.config, "utf8");
  const again = await enroll(site, url, token, "fifteen");
  expect([again.status, again.sentence]).toEqual([0, ""]);
  expect(await readFile(first.config, "utf8")).toBe(config);

  const other = await makeToken(site, "--device", "20");
  const flags = ["--device", "20"];
  const ended = await enroll(site, url, other.token, "fifteen", ...flags);
  expect([ended.status, ended.sentence]).toEqual([
    78,
    `Cannot enrol: ${first.config} has another device_id`,
  ]);
}, 20_000);

test(
  "enroll --replace gets another key, and an expired identity one without it",
  async () => {
    const first = await makeToken(site, "--device", "18");
    const { folder } = await enroll(site, url, first.token, "eighteen");
    const key = () => readFile(`${folder}/key.pem`, "utf8");
    const before = await key();
    const second = await makeToken(site, "--device", "18");
    const flags = ["--replace"];
    const ended = await enroll(site, url, second.token, "eighteen", ...flags);
    expect([ended.status, ended.sentence]).toEqual([0, ""]);
    expect(await key()).not.toBe(before);

    const expired = await enrolledIdentity(site, 19, lifeThatEndsIn(-1));
    const third = await makeToken(site, "--device", "19");
    const name = "enrolled_19";
    expect((await enroll(site, url, third.token, name)).status).toBe(0);
    const now = new X509Certificate(await readFile(expired.cert_file, "utf8"));
    expect(now.validToDate.getTime()).toBeGreaterThan(Date.now());
  },
  20_000,
);

test("enroll leaves an agent.toml that says something else alone", async () => {
  const { token, id } = await makeToken(site, "--device", "16");
  const text = 'cert_file = "mine.pem"\nkey_file = "mine.key"\n';
  const path = await site.write("sixteen/agent.toml", text);
  const ended = await enroll(site, url, token, "sixteen");
  expect([ended.status, ended.sentence]).toEqual([
    78,
    `Cannot enrol: ${path} has another cert_file`,
  ]);
  expect(await readFile(path, "utf8")).toBe(text);
  expect(await readdir(`${site.pkiDir}/enroll/tokens`))
    .toContain(`${id}.json`);
}, 20_000);

test("where nobody enrols, the gateway says so", async () => {
  const closed = await site.gateway({ name: "closed" });
  const { token } = await makeToken(site, "--device", "17");
  const ended = await enroll(site, closed.url, token, "seventeen");
  expect([ended.status, ended.sentence, ended.hint]).toEqual([
    69,
    `Cannot enrol at ${new URL(closed.url).host}: nobody enrols there`,
    "Set pki_dir in [enroll] of its gateway.toml",
  ]);
}, 20_000);
