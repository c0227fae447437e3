import { afterAll, beforeAll, expect } from "bun:test";
import { readdir, stat, writeFile } from "node:fs/promises";
import { startInTerminal } from "../support/terminal.ts";
import { sshdMissing } from "../support/sshd.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { ConnectSite, P12_PASSWORD } from "./connect_site.ts";

const missing = sshdMissing() ?? missingProgram("openssl");
const test = testUnless(missing);
const LIMIT_MS = 30_000;

let site: ConnectSite;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await ConnectSite.create();
  const services = { ssh: site.sshd.port };
  await site.site.agent({ id: 7, url: site.url, services });
}, LIMIT_MS);

afterAll(async () => await site?.[Symbol.asyncDispose](), LIMIT_MS);

/** Name => permissions of what is in an operator's folder. */
async function folderOf(home: string): Promise<Record<string, string>> {
  const folder = `${home}/.migasfree-connect/localhost`;
  const modes: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    const { mode } = await stat(`${folder}/${name}`);
    modes[name] = (mode & 0o777).toString(8);
  }
  return modes;
}

const STORED = { "ca.pem": "644", "cert.pem": "644", "key.pem": "600" };

test(
  "item 53: migasfree-connect imports the .p12 once, and needs it never again",
  async () => {
    const home = await site.home({ "ana.p12": site.p12 });
    const env = { MIGASFREE_CONNECT_PASSWORD: P12_PASSWORD };
    const list = ["-l", "--json", "-m", site.manager];
    const first = await site.connect(home, list, env);
    expect([first.status, first.stderr.split("\n")[0]]).toEqual([
      0,
      expect.stringMatching(/^Imported the certificate of ana of localhost, /),
    ]);
    expect(JSON.parse(first.stdout)).toMatchObject([{ id: 7, online: true }]);
    expect(await folderOf(home)).toEqual(STORED);
    // No password now, and the gateway's certificate is verified by its CA.
    const second = await site.connect(home, list);
    expect([second.status, second.stderr]).toEqual([0, ""]);
  },
  LIMIT_MS,
);

test(
  "item 53: migasfree-connect asks for the password at a terminal, unseen",
  async () => {
    const home = await site.home({ "localhost/ana.p12": site.p12 });
    await using terminal = startInTerminal(
      [site.program, "-l", "-m", site.manager],
      { env: site.env(home) },
    );
    await terminal.find(/Password of ana.p12: /);
    terminal.type(`${P12_PASSWORD}\r`);
    const [, shown] = await terminal.find(/([^]*?)aula-7 +online/);
    expect(shown).toStartWith("\r\nImported the certificate of ana");
    expect(shown).not.toContain(P12_PASSWORD);
    expect(await terminal.exited).toBe(0);
    expect(await folderOf(home)).toEqual({ ...STORED, "ana.p12": "600" });
  },
  LIMIT_MS,
);

test(
  "migasfree-connect says what is wrong with a .p12, and writes nothing",
  async () => {
    const home = await site.home({ "localhost/ana.p12": site.p12 });
    const path = `${home}/.migasfree-connect/localhost/ana.p12`;
    const list = ["-l", "-m", site.manager];
    const unasked = await site.connect(home, list);
    expect([unasked.status, unasked.stderr]).toEqual([
      64,
      `migasfree-connect: Cannot open ${path}: it wants a password, and there ` +
      "is nobody to ask\n  hint: Set MIGASFREE_CONNECT_PASSWORD, or give " +
      "--password-file FILE\n",
    ]);
    const wrong = { MIGASFREE_CONNECT_PASSWORD: "x" };
    const refused = await site.connect(home, list, wrong);
    expect([refused.status, refused.stderr.split("\n")[0]]).toEqual([
      78,
      `migasfree-connect: Cannot open ${path}: ` +
      "the password is wrong, or the file is damaged",
    ]);
    await writeFile(path, new Uint8Array(10 * 1024 * 1024));
    const large = await site.connect(home, list, wrong);
    expect([large.status, large.stderr.split("\n")[0]]).toEqual([
      78,
      `migasfree-connect: Cannot read ${path}: it is larger than 1048576 bytes`,
    ]);
    expect(Object.keys(await folderOf(home))).toEqual(["ana.p12"]);
  },
  LIMIT_MS,
);

test(
  "item 53: `operator import` makes the folder of the site that issued it",
  async () => {
    const home = await site.home();
    await writeFile(`${home}/secret`, `${P12_PASSWORD}\n`);
    const args = ["--as-agent", "operator", "import", site.p12];
    const flags = ["--password-file", `${home}/secret`, "--json"];
    const { status, stdout } = await site.connect(home, [...args, ...flags]);
    const folder = `${home}/.migasfree-connect/localhost`;
    expect([status, JSON.parse(stdout)]).toEqual([0, {
      folder,
      "cert_file": `${folder}/cert.pem`,
      "key_file": `${folder}/key.pem`,
      "ca_file": `${folder}/ca.pem`,
    }]);
    expect(await folderOf(home)).toEqual(STORED);
    // Again: nothing changes. Over another certificate: not without a word.
    expect((await site.connect(home, [...args, ...flags])).status).toBe(0);
    await writeFile(`${folder}/cert.pem`, "mine");
    const over = await site.connect(home, [...args, ...flags]);
    expect([over.status, over.stderr]).toEqual([
      78,
      `migasfree-agent: Cannot write ${folder}/cert.pem: it is there already, ` +
      "with something else in it\n  hint: Move it away, or import with " +
      "--replace\n",
    ]);
    const replaced = await site.connect(home, [...args, ...flags, "--replace"]);
    expect(replaced.status).toBe(0);
  },
  LIMIT_MS,
);

test(
  "item 54: without the site's CA there is a refusal, and what to do",
  async () => {
    const home = await site.home(site.pems);
    const { status, stderr } = await site.connect(home, [
      ...["-l", "-m", site.manager],
    ]);
    const { host } = new URL(site.url);
    expect([status, stderr]).toEqual([
      77,
      `migasfree-connect: Cannot reach ${host}: its certificate is signed by ` +
      "an authority that we do not know\n" +
      "  hint: Save the certificate of the site's CA as " +
      `${home}/.migasfree-connect/localhost/ca.pem, ` +
      "or import the .p12 that carries it\n",
    ]);
  },
  LIMIT_MS,
);
