import { afterAll, beforeAll, expect } from "bun:test";
import { rm } from "node:fs/promises";
import { runChild } from "../support/child.ts";
import { openEcho } from "../support/listener.ts";
import { RawGateway } from "../support/raw_gateway.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { issueIdentity } from "../support/site_authority.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { serveTcp, type TestServer } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";

const DAY_MS = 86_400_000;

interface Row {
  readonly check: string;
  readonly result: string;
  readonly detail: string;
  readonly hint?: string;
}

const missing = sshdMissing();
const test = testUnless(missing);

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let sshd: Sshd;
let echo: TestServer;
/** Says a word that no service says. */
let greeting: TestServer;
let closedPort: number;
let computer: Identity;
let operator: Identity;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  gateway = await site.gateway();
  sshd = site.own(await startSshd());
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  greeting = site.own(await serveTcp((socket) => void socket.write("hello\n")));
  await using closed = await serveTcp(() => undefined);
  closedPort = closed.port;
  computer = await site.identity("computer", "uuid-7_7");
  operator = await site.identity("operator", "maria");
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

/** Writes an agent's configuration. Returns its path. */
async function configOf(
  name: string,
  lines: object,
  services: Readonly<Record<string, number>> = {},
): Promise<string> {
  const keys = {
    "device_id": 7,
    name,
    gateway: gateway.url,
    "state_dir": `${site.dir}/${name}`,
    ...computer,
    ...lines,
  };
  const table = Object.entries(services)
    .map(([service, port]) => `${service} = "127.0.0.1:${port}"`);
  const text = Object.entries(keys)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return await site.write(
    `${name}.toml`,
    [...text, "[services]", ...table, ""].join("\n"),
  );
}

function run(command: string, config: string, ...args: string[]) {
  const argv = [BINARY, command, "--config", config, ...args];
  return runChild(argv, { env: { HOME: site.dir, MIGASFREE_AGENT_X: "" } });
}

async function doctor(config: string): Promise<Map<string, Row>> {
  const { status, stdout } = await run("doctor", config, "--json");
  const rows: Row[] = JSON.parse(stdout);
  const isSick = rows.some(({ result }) => result === "FAIL");
  expect(status).toBe(isSick ? 1 : 0);
  for (const { hint, result } of rows) {
    if (result === "FAIL") expect(hint).not.toBe(undefined);
  }
  return new Map(rows.map((row) => [row.check, row]));
}

/** Expects rows to be so, and no other to have failed. */
async function expectRows(
  config: string,
  expected: Readonly<Record<string, readonly [string, RegExp]>>,
): Promise<void> {
  const rows = await doctor(config);
  for (const [check, [result, detail]] of Object.entries(expected)) {
    expect(rows.get(check)).toMatchObject({
      result,
      detail: expect.stringMatching(detail) as unknown as string,
    });
    rows.delete(check);
  }
  const others = [...rows.values()].filter(({ result }) => result === "FAIL");
  expect(others).toEqual([]);
}

test("status shows a running agent, its services and its tunnels", async () => {
  const services = { ssh: sshd.port, echo: echo.port, gone: closedPort };
  const { child, config } = await site.agent({
    id: 7,
    url: gateway.url,
    services,
    identity: computer,
  });
  await using _agent = child;
  using _tunnel = await openEcho(site, gateway.url, operator, "7");
  const { status, stdout } = await run("status", config, "--json");
  const state = JSON.parse(stdout);
  expect({ status, state }).toMatchObject({
    status: 0,
    state: {
      pid: child.pid,
      "device_id": 7,
      name: "aula-7",
      link: "online",
      gateway: gateway.url,
      last_fault: null,
      services: [
        { name: "ssh", address: `127.0.0.1:${sshd.port}`, state: "open" },
        { name: "echo", address: `127.0.0.1:${echo.port}`, state: "open" },
        { name: "gone", address: `127.0.0.1:${closedPort}`, state: "closed" },
      ],
      tunnels: [{ service: "echo", operator: "maria" }],
    },
  });
  const shown = await run("status", config);
  expect(shown.status).toBe(0);
  expect(shown.stdout).toMatch(/^link +online since /m);
  expect(shown.stdout).toMatch(/^ +gone +127\.0\.0\.1:\d+ +closed$/m);
  expect(shown.stdout).toMatch(/^ +[0-9a-f]{8} +echo +maria +since /m);

  // And doctor finds nothing wrong with it.
  await expectRows(config, {
    configuration: ["PASS", /^device 7, aula-7$/],
    certificate: ["PASS", /CN=uuid-7_7, valid until .* days left$/],
    key: ["PASS", /mode 0600$/],
    name: ["PASS", /^localhost is /],
    gateway: ["PASS", /answers in \d+ ms, TLS verified$/],
    identity: ["PASS", /knows it as a computer's$/],
    clock: ["PASS", /^[01] s from the gateway's$/],
    agent: ["PASS", /^online since .*, pid \d+$/],
    "service ssh": ["PASS", /says SSH-2\.0-OpenSSH/],
    "service echo": ["PASS", /accepts connections$/],
    "service gone": ["WARN", /refused/],
  });
}, 30_000);

test("status of an agent that is not online says why, with 69", async () => {
  const { child, config } = await site.agent({
    id: 7,
    url: `wss://localhost:${closedPort}/tunnel`,
    services: {},
    name: "lonely",
    identity: computer,
    waitFor: /link\.failed/,
  });
  await using _agent = child;
  const { status, stdout } = await run("status", config, "--json");
  expect({ status, state: JSON.parse(stdout) }).toMatchObject({
    status: 69,
    state: { link: "connecting", last_fault: { code: "gatewayUnreachable" } },
  });
  await expectRows(config, {
    gateway: ["FAIL", /^Cannot reach localhost:\d+: it refuses connections$/],
    agent: ["FAIL", /^connecting since .*: Cannot reach localhost/],
  });
}, 30_000);

test("status without an agent says that none runs, with 69", async () => {
  const config = await configOf("nobody", {});
  const { status, stderr } = await run("status", config);
  expect({ status, stderr }).toEqual({
    status: 69,
    stderr: expect.stringMatching(
      /^migasfree-agent: Cannot ask the agent at .*: none runs .*\n {2}hint: /,
    ) as unknown as string,
  });
  await expectRows(config, { agent: ["FAIL", /none runs on this computer$/] });
}, 30_000);

test("doctor names what is wrong with a service", async () => {
  const config = await configOf("services", {}, {
    ssh: greeting.port,
    vnc: sshd.port,
  });
  await expectRows(config, {
    agent: ["FAIL", /none runs/],
    "service ssh": ["FAIL", /what listens there is no ssh server$/],
    "service vnc": ["FAIL", /what listens there is no vnc server$/],
  });
}, 30_000);

test("doctor names what is wrong with a certificate", async () => {
  const nowMs = Date.now();
  const subject = [["O", "x"], ["OU", "COMPUTERS"], ["CN", "late_7"]] as const;
  const dates = (from: number, to: number) => ({
    notBefore: new Date(nowMs + from * DAY_MS),
    notAfter: new Date(nowMs + to * DAY_MS),
  });
  const late = await issueIdentity(site, "late", subject, dates(-9, -2));
  await expectRows(await configOf("late-agent", late), {
    certificate: ["FAIL", /^expired on \d{4}-\d\d-\d\d \(/],
    identity: ["FAIL", /it expired 2 days ago$/],
    agent: ["FAIL", /none runs/],
  });
  const early = await issueIdentity(site, "early", subject, dates(2, 9));
  await expectRows(await configOf("early-agent", early), {
    certificate: ["FAIL", /^not valid before /],
    identity: ["FAIL", /^Cannot trust certificate/],
    agent: ["FAIL", /none runs/],
  });
  const soon = await issueIdentity(site, "soon", subject, dates(-1, 5));
  await expectRows(await configOf("soon-agent", soon), {
    certificate: ["WARN", / [45] days left$/],
    agent: ["FAIL", /none runs/],
  });
  await expectRows(await configOf("operator-agent", operator), {
    identity: ["FAIL", /the certificate is an operator's$/],
    agent: ["FAIL", /none runs/],
  });
}, 30_000);

test(
  "doctor names what is wrong with the gateway, and with the clock",
  async () => {
    await using stranger = await RawGateway.listen(site);
    await expectRows(await configOf("strange", { gateway: stranger.url }), {
      gateway: ["PASS", /TLS verified$/],
      identity: ["FAIL", /^Cannot use localhost:\d+: it answered 404$/],
      clock: ["WARN", /did not say what time it is$/],
      agent: ["FAIL", /none runs/],
    });
    const wrong = new Date(Date.now() - 2 * 3_600_000);
    await using slow = await RawGateway.listen(site, wrong);
    await expectRows(await configOf("slow", { gateway: slow.url }), {
      identity: ["FAIL", /it answered 404$/],
      clock: ["FAIL", /^7[12]\d\d s from the gateway's$/],
      agent: ["FAIL", /none runs/],
    });
    const far = "wss://gateway.invalid/tunnel";
    await expectRows(await configOf("nameless", { gateway: far }), {
      name: ["FAIL", /^gateway\.invalid does not resolve$/],
      gateway: ["FAIL", /^Cannot reach gateway\.invalid:443: /],
      agent: ["FAIL", /none runs/],
    });
  },
  30_000,
);

test("doctor says what is wrong with the files", async () => {
  const broken = await site.write("broken.toml", "device_id = \n");
  await expectRows(broken, { configuration: ["FAIL", /^Cannot read .*/] });
  const lone = await site.identity("computer", "lone_9");
  await rm(lone.key_file);
  await expectRows(await configOf("keyless", lone), {
    certificate: ["FAIL", /key\.pem/],
    key: ["FAIL", /key\.pem is not there$/],
    gateway: ["FAIL", /key\.pem/],
    agent: ["FAIL", /none runs/],
  });
}, 30_000);
