import { afterAll, beforeAll, expect, test } from "bun:test";
import { auditRecords, operate } from "../support/operator.ts";
import { type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const LIMIT_MS = 30_000;

/** What a terminal would obey, and a line that nobody wrote. */
const HOSTILE_NAME = "pc\u001b[31m red\u0007\n99  forged  online";

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let url: string;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  gateway = await site.gateway();
  url = gateway.url;
  operator = await site.identity("operator", "maria");
  const { port } = site.own(
    await serveTcp((socket) => void socket.end(`from ${socket.localPort}\n`)),
  );
  await site.agent({ id: 7, url, services: { ssh: port } });
  const gone = await site.agent({ id: 8, url, services: { rdp: 1, vnc: 1 } });
  await gone.child[Symbol.asyncDispose]();
  await gateway.child.line(/agent\.offline device=8 /);
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

/** Runs an operator's command; a time becomes a word, columns are narrow. */
async function run(...args: readonly string[]) {
  const end = await operate(site, url, operator, args);
  const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;
  return {
    status: end.status,
    stdout: end.stdout.replace(time, "TIME").replace(/ {2,}/g, "  "),
    sentence: end.sentence.replace(time, "TIME"),
    hint: end.hint,
  };
}

test("devices lists who is there and who was, for people", async () => {
  expect(await run("devices")).toEqual({
    status: 0,
    stdout: "ID  NAME  STATE  SERVICES\n" +
      "7  aula-7  online  ssh\n" +
      "8  aula-8  offline since TIME  rdp vnc\n",
    sentence: "",
    hint: "",
  });
}, LIMIT_MS);

test("devices --json lists the same, for programs, in one line", async () => {
  expect(await run("devices", "--json")).toEqual({
    status: 0,
    stdout: '[{"id":7,"name":"aula-7","services":["ssh"],"exec":true,' +
      '"online":true,"seen_at":"TIME"},' +
      '{"id":8,"name":"aula-8","services":["rdp","vnc"],"exec":true,' +
      '"online":false,"seen_at":"TIME"}]\n',
    sentence: "",
    hint: "",
  });
}, LIMIT_MS);

for (const device of ["7", "CID-7", "cid-7", "aula-7", "aula-7.mf"]) {
  test(`a device is reached as ${device}`, async () => {
    const { status, stdout } = await run("connect", device, "ssh", "--stdio");
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^from \d+\n$/) as unknown as string,
    });
    expect((await auditRecords(site)).at(-1)).toMatchObject({
      operator: "maria",
      deviceId: 7,
      service: "ssh",
    });
  }, LIMIT_MS);
}

/** Sentences in which a device that cannot be reached is named. */
const REFUSALS: readonly [string, number, string, string][] = [
  [
    "aula-99",
    69,
    'There is no device "aula-99"',
    "Run `migasfree-agent devices` to see which there are",
  ],
  [
    "99",
    69,
    "There is no device 99",
    "Run `migasfree-agent devices` to see which there are",
  ],
  [
    "aula-8",
    69,
    "Device 8 is offline, last seen TIME",
    "Check that the computer is on and its agent runs",
  ],
  [
    "CID-0",
    64,
    'Cannot read "CID-0" as a device',
    "Give 7, CID-7 or the device's name",
  ],
];

for (const [device, status, sentence, hint] of REFUSALS) {
  test(`an operator who wants ${device} hears: ${sentence}`, async () => {
    const args = ["connect", device, "ssh", "--listen", "127.0.0.1:0"];
    expect(await run(...args)).toEqual({ status, stdout: "", sentence, hint });
  }, LIMIT_MS);
}

test("a name that two devices have is refused, until one is gone", async () => {
  const env = { MIGASFREE_AGENT_NAME: "twin" };
  const greet = site.own(await serveTcp((socket) => void socket.end("hi\n")));
  const services = { ssh: greet.port };
  const first = await site.agent({ id: 21, url, services, env });
  await site.agent({ id: 22, url, services, env });
  const args = ["connect", "twin", "ssh", "--stdio"];
  expect(await run(...args)).toEqual({
    status: 64,
    stdout: "",
    sentence: 'Several devices are "twin": CID-21, CID-22',
    hint: "Name the one you mean by its id",
  });
  await first.child[Symbol.asyncDispose]();
  await gateway.child.line(/agent\.offline device=21 /);
  expect((await run(...args)).stdout).toBe("hi\n");
  expect((await auditRecords(site)).at(-1)).toMatchObject({ deviceId: 22 });
}, LIMIT_MS);

test("a device's name is shown as text, whatever is in it", async () => {
  const env = { MIGASFREE_AGENT_NAME: HOSTILE_NAME };
  await site.agent({ id: 31, url, services: {}, env });
  const { stdout } = await run("devices");
  const lines = stdout.split("\n").filter((line) => /^(?:31|99)/.test(line));
  expect(lines).toEqual([expect.stringMatching(/^31 .*pc.*red.*forged/)]);
  // deno-lint-ignore no-control-regex
  expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
}, LIMIT_MS);

test(
  "an id that one computer's agent takes from the environment is its id",
  async () => {
    const env = {
      MIGASFREE_AGENT_DEVICE_ID: "41",
      MIGASFREE_AGENT_NAME: "env",
    };
    await site.agent({ id: 40, url, services: {}, env });
    const { stdout } = await run("devices");
    expect(stdout).toMatch(/^41 {2}env {2}online$/m);
    expect(stdout).not.toMatch(/^40 /m);
  },
  LIMIT_MS,
);
