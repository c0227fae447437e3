import { afterAll, beforeAll, expect } from "bun:test";
import { type Child, runChild } from "../support/child.ts";
import { startConnectServer } from "../support/connect_server.ts";
import { freePort } from "../support/free_port.ts";
import { type Ended, operate } from "../support/operator.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import {
  dialTest,
  echoOnce,
  serveTcp,
  type TestServer,
} from "../support/tcp_peer.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { startTinyproxy, type Tinyproxy } from "../support/tinyproxy.ts";

/** A name that only the proxy can find: `.test` is nobody's (RFC 6761). */
const NAME = "gateway.mf.test";
const PASSWORD = "s3cret-Wort";
const WRONG = "wr0ng-Wort";
const NO_ENVIRONMENT = { HTTPS_PROXY: "", NO_PROXY: "" };

const missing = missingProgram("tinyproxy");
const test = testUnless(missing);

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let proxy: Tinyproxy;
let echo: TestServer;
let operator: Identity;
let computer: Identity;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create(NAME);
  gateway = await site.gateway();
  const road = site.own(await startConnectServer());
  proxy = site.own(
    await startTinyproxy(
      `BasicAuth ana ${PASSWORD}`,
      `Upstream http 127.0.0.1:${road.port} "${NAME}"`,
    ),
  );
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  operator = await site.identity("operator", "maria");
  computer = await site.identity("computer", "uuid-7_7");
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

function proxyUrl(password = PASSWORD): string {
  return `http://ana:${password}@127.0.0.1:${proxy.port}`;
}

function farUrl(): string {
  return gateway.url.replace("localhost", NAME);
}

/** How many CONNECTs the proxy has seen for `host`. */
function connectCount(host: string): number {
  const line = new RegExp(`CONNECT ${host}:${gateway.port} HTTP`, "g");
  return proxy.output().match(line)?.length ?? 0;
}

/** Device 7, which offers an echo. */
function startAgent(
  options: {
    url: string;
    env?: Record<string, string>;
    top?: string;
    waitFor?: RegExp;
  },
) {
  const services = { echo: echo.port };
  const env = { ...NO_ENVIRONMENT, ...options.env };
  return site.agent({ id: 7, services, identity: computer, ...options, env });
}

/** Asks device 7 for an echo, and has it. */
async function expectEcho(
  url: string,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  await using child = site.start([
    ...[BINARY, "connect", "7", "echo", "--listen", "127.0.0.1:0"],
    ...site.operatorFlags(url, operator),
    ...flags,
  ], { ...NO_ENVIRONMENT, ...env });
  const line = await child.line(/^listening /);
  using client = await dialTest(Number(line.split(":").at(-1)));
  await echoOnce(client.socket, 1_000_000);
}

function expectNoSecret(...texts: readonly string[]): void {
  for (const text of texts) {
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain(WRONG);
  }
}

function saidBy(child: Child): string {
  const { stderr, stdout } = child.output();
  return stdout + stderr;
}

function expectEnd(end: Ended, status: number, sentence: string): void {
  expect({ status: end.status, sentence: end.sentence }).toEqual({
    status,
    sentence,
  });
  expect(end.hint).not.toBe("");
}

test(
  "a proxy that is configured carries all links, this computer's too",
  async () => {
    const top = `proxy = "${proxyUrl()}"`;
    await using agent = (await startAgent({ url: gateway.url, top })).child;
    expect(await agent.line(/link\.proxy/)).toContain(
      `proxy=http://ana:***@127.0.0.1:${proxy.port}/`,
    );
    await expectEcho(gateway.url, ["--proxy", proxyUrl()]);
    // Control link, look-up of the device, and the two links of the tunnel.
    expect(connectCount("localhost")).toBe(4);
    expectNoSecret(saidBy(agent));
  },
  30_000,
);

test("HTTPS_PROXY is the way to a name that only the proxy knows", async () => {
  const env = { HTTPS_PROXY: proxyUrl() };
  await using agent = (await startAgent({ url: farUrl(), env })).child;
  await expectEcho(farUrl(), [], env);
  expect(connectCount(NAME)).toBe(4);
  expectNoSecret(saidBy(agent));
  const listed = await operate(site, farUrl(), operator, ["devices"], env);
  expect({ status: listed.status, stdout: listed.stdout }).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^7 +aula-7 +online +echo\b/m) as never,
  });
}, 30_000);

test("HTTPS_PROXY is not the way to this computer", async () => {
  const env = { HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` };
  await using _agent = (await startAgent({ url: gateway.url, env })).child;
  await expectEcho(gateway.url, [], env);
}, 30_000);

test(
  "NO_PROXY names what is reached directly, whoever named the proxy",
  async () => {
    const top = `proxy = "${proxyUrl()}"`;
    const env = { NO_PROXY: "example.org, localhost" };
    const before = connectCount("localhost");
    await using agent =
      (await startAgent({ url: gateway.url, top, env })).child;
    await expectEcho(gateway.url, ["--proxy", proxyUrl()], env);
    expect(connectCount("localhost")).toBe(before);
    expect(saidBy(agent)).not.toContain("link.proxy");
    // The other way round: directly, that name is not found.
    const far = { HTTPS_PROXY: proxyUrl(), NO_PROXY: ".mf.test" };
    expectEnd(
      await operate(site, farUrl(), operator, ["devices"], far),
      69,
      `Cannot reach ${NAME}:${gateway.port}: its name does not resolve`,
    );
  },
  30_000,
);

test("a wrong password is said, and never shown", async () => {
  const url = proxyUrl(WRONG);
  const connect = ["connect", "7", "echo", "--stdio"];
  const sentence = `Cannot reach ${NAME}:${gateway.port}: the proxy wants ` +
    "a user and a password (it answered 401)";
  const env = { HTTPS_PROXY: url };
  const ends = [
    await operate(site, farUrl(), operator, [...connect, "--proxy", url]),
    await operate(site, farUrl(), operator, connect, env),
    await operate(site, farUrl(), operator, ["devices"], env),
  ];
  for (const end of ends) {
    expectEnd(end, 69, sentence);
    expectNoSecret(...Object.values(end).map(String));
  }
  const { child, config } = await startAgent({
    url: farUrl(),
    top: `proxy = "${url}"`,
    waitFor: /link\.failed .*code=proxyRefused/,
  });
  await using agent = child;
  const looks = await Promise.all(
    [["status"], ["status", "--json"], ["doctor"], ["doctor", "--json"]].map(
      (args) => runChild([BINARY, ...args, "--config", config]),
    ),
  );
  expect(looks.map(({ status }) => status)).toEqual([69, 69, 1, 1]);
  expect(looks[2]?.stdout).toContain(`FAIL  gateway`);
  expect(looks[2]?.stdout).toContain(sentence);
  expectNoSecret(...looks.flatMap(({ stderr, stdout }) => [stderr, stdout]));
  expectNoSecret(saidBy(agent));
}, 30_000);
