import { afterAll, beforeAll, expect } from "bun:test";
import { copyFile, readFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import {
  gatewayBehindProxy,
  HAPROXY_ADDRESS,
  startHaproxy,
} from "../support/haproxy.ts";
import { opensslText } from "../support/openssl.ts";
import { sshdMissing } from "../support/sshd.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { ConnectSite } from "./connect_site.ts";

const missing = sshdMissing() ?? missingProgram("openssl");
const test = testUnless(missing);
const testHaproxy = testUnless(missing ?? missingProgram("haproxy"));
const LIMIT_MS = 30_000;

let site: ConnectSite;
let home: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await ConnectSite.create();
  home = await site.readyHome();
}, LIMIT_MS);

afterAll(async () => await site?.[Symbol.asyncDispose](), LIMIT_MS);

/** A proxy of the site that answers each request with `status` and a page. */
async function startPage(status: number) {
  const [cert, key] = await Promise.all(
    ["cert.pem", "key.pem"].map((name) =>
      readFile(`${site.site.pkiDir}/gateway/${name}`)
    ),
  );
  const server = createServer({ cert, key }, (_request, response) => {
    response.writeHead(status, { "Connection": "close" });
    response.end("<html><body><h1>No</h1></body></html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `localhost:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const EXPLAINED = [
  [
    403,
    77,
    "Cannot enter HOST: it answered 403",
    "Use a certificate of this site: OU=ADMINS for an operator, " +
    "OU=COMPUTERS for a computer",
  ],
  [
    429,
    69,
    "Cannot use HOST: it is asked too often (429)",
    "Wait 10 seconds, or raise RATE_LIMIT of the site's proxy",
  ],
  [
    503,
    69,
    "Cannot use HOST: nobody serves this behind its proxy (503)",
    "Try again later; the manager answers only the networks of the site's " +
    "NETWORK_MNG",
  ],
] as const;

for (const [code, exit, sentence, hint] of EXPLAINED) {
  test(`item 64: migasfree-connect explains HTTP ${code}`, async () => {
    await using page = await startPage(code);
    const said = async (...args: readonly string[]) => {
      const at = ["-m", `https://${page.host}/`];
      const { status, stderr } = await site.connect(home, [...args, ...at]);
      return [status, stderr.replaceAll(page.host, "HOST")];
    };
    const text = `migasfree-connect: ${sentence}\n  hint: ${hint}\n`;
    expect(await said("-l")).toEqual([exit, text]);
    expect(await said("-t", "exec", "-a", "7", "-e", "x")).toEqual([
      exit,
      text,
    ]);
  }, LIMIT_MS);
}

/** Revokes the administrator: writes a CRL by `openssl`, as the site does. */
async function revokeAdmin(): Promise<void> {
  const dir = `${site.site.dir}/admin`;
  await Bun.write(`${dir}/index.txt`, "");
  await Bun.write(`${dir}/crlnumber`, "1000\n");
  await Bun.write(
    `${dir}/ca.cnf`,
    `[ca]
default_ca = site
[site]
database = ${dir}/index.txt
crlnumber = ${dir}/crlnumber
default_md = sha256
default_crl_days = 30
`,
  );
  const ca = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
  opensslText(dir, "ca", ...ca, "-revoke", "admin.pem");
  opensslText(dir, "ca", ...ca, "-gencrl", "-out", "crl.pem");
  await copyFile(`${dir}/crl.pem`, `${site.site.pkiDir}/crl.pem`);
}

testHaproxy(
  "item 64: migasfree-connect explains a certificate that was revoked",
  async () => {
    const port = await gatewayBehindProxy(
      site.site,
      "inner",
      HAPROXY_ADDRESS,
    );
    await revokeAdmin();
    await using proxy = await startHaproxy(site.site, port);
    const { host } = new URL(proxy.url);
    const said = async (...args: readonly string[]) => {
      const at = ["-m", `https://${host}`];
      const { status, stderr } = await site.connect(home, [...args, ...at]);
      return [status, stderr];
    };
    const text =
      `migasfree-connect: Cannot reach ${host}: our certificate was ` +
      "revoked\n  hint: Ask that site's administrator for a new certificate\n";
    expect(await said("-l")).toEqual([77, text]);
    expect(await said("-a", "7", "-t", "exec", "-e", "x")).toEqual([77, text]);
  },
  LIMIT_MS,
);
