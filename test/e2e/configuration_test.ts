import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../support/child.ts";
import { operate } from "../support/operator.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";

const LIMIT_MS = 30_000;

let site: Site;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  operator = await site.identity("operator", "maria");
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

/** Runs `run` or `gateway` with a file; its path becomes FILE. */
async function start(
  command: "run" | "gateway",
  toml: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  const dir = await mkdtemp(join(site.dir, "config-"));
  const file = join(dir, `${command}.toml`);
  await writeFile(file, toml);
  const argv = [BINARY, command, "--config", file];
  const ran = await runChild(argv, { env: { HOME: dir, ...env } });
  const plain = ran.stderr.replaceAll(file, "FILE").replaceAll(dir, "DIR");
  return { ...ran, stderr: plain };
}

const AGENT = `device_id = 7
gateway = "wss://gw.example.org/tunnel"
`;

const GATEWAY = `listen = "127.0.0.1:0"
public_url = "wss://gw.example.org/tunnel"
state_dir = "state"
metrics_listen = "127.0.0.1:0"
`;

const TLS = `[tls]
cert_file = "cert.pem"
key_file = "key.pem"
client_ca_file = "ca.pem"
`;

const ADDRESS = "expected an address such as 127.0.0.1:8443 or [::1]:8443";

/** Command, file, then what is wrong with it and the hint. */
const MISTAKES: readonly [
  "run" | "gateway",
  string,
  string,
  string,
][] = [
  [
    "run",
    `${AGENT}sevices = 1\n`,
    '"sevices" is not known, the nearest key is "services"',
    'Write "services", or remove "sevices"',
  ],
  [
    "run",
    AGENT.replace("7", '"seven"'),
    '"device_id" is "seven", expected a whole number',
    "Write in FILE a line such as: device_id = 7",
  ],
  [
    "run",
    `${AGENT}[services]\nssh = "22"\n`,
    `"services.ssh" is "22", ${ADDRESS}`,
    'Write in FILE a line such as: ssh = "127.0.0.1:22"',
  ],
  [
    "run",
    `${AGENT}[services]\ntunnels_max = 3\n`,
    '"services.tunnels_max" is 3, expected text in quotes',
    'Write "tunnels_max" above the first [table]',
  ],
  [
    "gateway",
    `${GATEWAY}${TLS}crl_file = "crl.pem"\n`,
    '"tls.crl_file" is not known, the nearest key is "tls.crl_files"',
    'Write "tls.crl_files", or remove "tls.crl_file"',
  ],
  [
    "gateway",
    `${GATEWAY.replace("127.0.0.1:0", "nowhere")}${TLS}`,
    `"listen" is "nowhere", ${ADDRESS}`,
    'Correct "listen" in FILE',
  ],
];

for (const [command, toml, text, hint] of MISTAKES) {
  test(`${command} refuses a file: ${text}`, async () => {
    const what = command === "run" ? "agent" : "gateway";
    expect(await start(command, toml)).toEqual({
      status: 78,
      stdout: "",
      stderr: `migasfree-agent: Cannot read ${what} configuration FILE: ` +
        `${text}\n  hint: ${hint}\n`,
    });
  }, LIMIT_MS);
}

test("every mistake of a file is told at once", async () => {
  const toml = 'devce_id = 7\ngateway = "x"\n';
  const { status, stderr } = await start("run", toml);
  expect(status).toBe(78);
  expect(stderr).toMatch(/"devce_id" is not known.*"gateway" is "x"/);
}, LIMIT_MS);

test("a file that is no TOML is named, with the line", async () => {
  const { status, stderr } = await start("gateway", `${GATEWAY}[tls\n`);
  expect(status).toBe(78);
  expect(stderr).toMatch(
    /^migasfree-agent: Cannot read gateway configuration FILE.*line 5/,
  );
}, LIMIT_MS);

test("a file that is not there is named, where it was asked for", async () => {
  const argv = [BINARY, "run", "--config", "/nonexistent/agent.toml"];
  const { status, stderr } = await runChild(argv, { env: { HOME: site.dir } });
  expect({ status, stderr }).toEqual({
    status: 78,
    stderr: "migasfree-agent: Cannot read agent configuration " +
      "/nonexistent/agent.toml: there is no such file\n  hint: Check the path\n",
  });
}, LIMIT_MS);

test("a variable that is wrong is named, not the file", async () => {
  const env = { MIGASFREE_AGENT_TUNNELS_MAX: "many" };
  expect(await start("run", AGENT, env)).toEqual({
    status: 78,
    stdout: "",
    stderr: "migasfree-agent: Cannot read agent configuration FILE: " +
      'MIGASFREE_AGENT_TUNNELS_MAX is "many", expected a whole number\n' +
      "  hint: Correct or unset MIGASFREE_AGENT_TUNNELS_MAX\n",
  });
}, LIMIT_MS);

test(
  "a variable that is not known is a warning, with the nearest",
  async () => {
    const env = { MIGASFREE_AGENT_DEVICE: "9" };
    const { url } = await site.gateway();
    const { child } = await site.agent({ id: 7, url, services: {}, env });
    expect(await child.line(/config\.warning /)).toContain(
      "Environment variable MIGASFREE_AGENT_DEVICE is not known, the nearest is " +
        "MIGASFREE_AGENT_DEVICE_ID",
    );
  },
  LIMIT_MS,
);

test("the environment goes over a gateway's file", async () => {
  const toml = `${GATEWAY}${TLS}`;
  const env = { MIGASFREE_GATEWAY_TLS_KEY_FILE: "/nonexistent/key.pem" };
  const { pkiDir } = site;
  const own = toml.replace("cert.pem", `${pkiDir}/gateway/cert.pem`)
    .replace("ca.pem", `${pkiDir}/ca.pem`);
  const { status, stderr } = await start("gateway", own, env);
  expect(status).toBe(78);
  expect(stderr).toMatch(/^migasfree-agent: Cannot read .*\/nonexistent\/key/);
}, LIMIT_MS);

test(
  "a gateway without its certificate does not start, and says why",
  async () => {
    const { pkiDir } = site;
    const tls = TLS.replace("key.pem", `${pkiDir}/gateway/key.pem`)
      .replace("ca.pem", `${pkiDir}/ca.pem`);
    const { status, stderr } = await start("gateway", `${GATEWAY}${tls}`);
    expect({ status, stderr }).toEqual({
      status: 78,
      stderr:
        "migasfree-agent: Cannot read gateway certificate DIR/cert.pem: " +
        "there is no such file\n  hint: Check the path\n",
    });
  },
  LIMIT_MS,
);

test("an operator without a certificate hears where it would be", async () => {
  const home = join(site.dir, "home");
  await mkdir(home, { recursive: true });
  const argv = [BINARY, "devices", "--gateway", "gw.example.org"];
  const { status, stderr } = await runChild(argv, { env: { HOME: home } });
  expect({ status, stderr }).toEqual({
    status: 64,
    stderr: "migasfree-agent: Cannot find the operator's certificate: there " +
      `is no --cert and no ${home}/.migasfree-connect/gw.example.org/cert.pem\n` +
      "  hint: Import yours with `migasfree-agent operator import FILE.p12`, " +
      "or ask the site's administrator for one\n",
  });
}, LIMIT_MS);

test("an operator's certificate that is not there is named", async () => {
  const url = "wss://localhost:1/tunnel";
  const nowhere = { ...operator, "cert_file": "/nonexistent/cert.pem" };
  const { status, sentence, hint } = await operate(site, url, nowhere, [
    "devices",
  ]);
  expect({ status, sentence, hint }).toEqual({
    status: 78,
    sentence: "Cannot read certificate /nonexistent/cert.pem: " +
      "there is no such file",
    hint: "Check the path",
  });
}, LIMIT_MS);

test("an operator's key that is another's is refused", async () => {
  const url = "wss://localhost:1/tunnel";
  const other = await site.identity("operator", "jose");
  const mixed = { ...operator, "key_file": other.key_file };
  const { status, sentence, hint } = await operate(site, url, mixed, [
    "devices",
  ]);
  expect({ status, sentence, hint }).toEqual({
    status: 78,
    sentence: `Cannot use certificate ${operator.cert_file}: ` +
      `key ${other.key_file} is another's`,
    hint: "Give the key that the certificate was made for",
  });
}, LIMIT_MS);
