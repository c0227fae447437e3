import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import {
  runPkiComputer,
  runPkiInit,
  runPkiOperator,
} from "../../src/cli/pki_command.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const HOSTS = ["mf.test"];

/** Every file and directory under `dir` with its mode, in octal. */
async function tree(dir: string): Promise<Record<string, string>> {
  const modes: Record<string, string> = {};
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const { mode } = await stat(join(dir, name));
    modes[name.replace(/[0-9a-f]{32}/, "SERIAL")] = (mode & 0o777).toString(8);
  }
  return modes;
}

async function daysOf(certFile: string): Promise<number> {
  const { validTo } = new X509Certificate(await readFile(certFile));
  return Math.round((Date.parse(validTo) - Date.now()) / 86_400_000);
}

function readText(path = ""): string {
  return readFileSync(path, "utf8");
}

const INIT_TREE = {
  "ca.key": "600",
  "ca.pem": "644",
  "crl.pem": "644",
  "gateway": "700",
  "gateway/ca.pem": "644",
  "gateway/cert.pem": "644",
  "gateway/key.pem": "600",
};

test("runPkiInit() makes a directory that holds a CA, a CRL and the gateway's folder", async () => {
  await using parent = await makeTemporaryDir();
  const dir = join(parent.path, "deep", "pki");
  const hosts = ["MF.test", "10.0.0.1", "mf.test"];
  const files = await runPkiInit({ dir: relative(".", dir), hosts });
  expect(files).toEqual({
    ca_file: join(dir, "ca.pem"),
    cert_file: join(dir, "gateway/cert.pem"),
    key_file: join(dir, "gateway/key.pem"),
    crl_file: join(dir, "crl.pem"),
  });
  expect(await tree(join(parent.path, "deep")))
    .toEqual({
      pki: "700",
      ...Object.fromEntries(
        Object.entries(INIT_TREE).map(([name, mode]) => [`pki/${name}`, mode]),
      ),
    });
  const gateway = new X509Certificate(
    await readFile(join(dir, "gateway/cert.pem")),
  );
  const ca = new X509Certificate(await readFile(join(dir, "ca.pem")));
  expect(gateway.subjectAltName)
    .toBe("DNS:mf.test, DNS:*.mf.test, IP Address:10.0.0.1");
  expect(gateway.verify(ca.publicKey)).toBe(true);
  expect(await daysOf(join(dir, "gateway/cert.pem"))).toBe(825);
});

test("runPkiInit() works in a directory that exists, and only once", async () => {
  await using dir = await makeTemporaryDir();
  await writeFile(join(dir.path, "notes"), "mine", { mode: 0o644 });
  await runPkiInit({ dir: dir.path, hosts: HOSTS, days: 30 });
  expect(await daysOf(join(dir.path, "gateway/cert.pem"))).toBe(30);
  const before = await readFile(join(dir.path, "ca.key"), "utf8");
  const again = runPkiInit({ dir: dir.path, hosts: HOSTS });
  expect(await rejection(again)).toMatchObject({
    code: "configInvalid",
    message: `Cannot create ${join(dir.path, "ca.key")}: it is there already`,
    hint: "Choose another name, or move it away; nothing is ever overwritten",
  });
  expect(await readFile(join(dir.path, "ca.key"), "utf8")).toBe(before);
  expect(await tree(dir.path)).toEqual({ ...INIT_TREE, notes: "644" });
});

test("runPkiInit() leaves nothing behind if anything of it is in the way", async () => {
  for (const name of [...Object.keys(INIT_TREE).slice(0, 4), "computers"]) {
    await using dir = await makeTemporaryDir();
    await mkdir(join(dir.path, name));
    expect(await rejection(runPkiInit({ dir: dir.path, hosts: HOSTS })))
      .toMatchObject({ code: "configInvalid" });
    expect(await readdir(dir.path)).toEqual([name]);
  }
  await using parent = await makeTemporaryDir();
  const file = join(parent.path, "file");
  await writeFile(file, "");
  const dir = join(file, "pki");
  expect(await rejection(runPkiInit({ dir, hosts: HOSTS })))
    .toMatchObject({ code: "configInvalid" });
  expect(await readdir(parent.path)).toEqual(["file"]);
});

test("runPkiInit() takes everything back if it fails half way", async () => {
  await using parent = await makeTemporaryDir();
  // So long that ca.key can be made, but not the folder of the gateway.
  const room = 4095 - "/computers".length - parent.path.length;
  const dir = join(
    parent.path,
    ...Array(Math.floor(room / 200)).fill("x".repeat(199)),
    "y".repeat(Math.max(1, room % 200 - 1)),
  );
  expect(await rejection(runPkiInit({ dir, hosts: HOSTS }))).toMatchObject({
    code: "configInvalid",
    cause: expect.objectContaining({ code: "ENAMETOOLONG" }),
  });
  expect(await readdir(parent.path)).toEqual([]);
});

test("runPkiInit() twice at once makes one CA that is whole", async () => {
  await using parent = await makeTemporaryDir();
  const dir = join(parent.path, "pki");
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => runPkiInit({ dir, hosts: HOSTS })),
  );
  expect(results.map(({ status }) => status).sort())
    .toEqual(["fulfilled", "rejected", "rejected"]);
  expect(await tree(dir)).toEqual(INIT_TREE);
  const { cert_file } = await runPkiComputer({ dir, name: "pc" });
  expect(cert_file).toBe(join(dir, "computers/pc/cert.pem"));
});

test("runPkiComputer() and runPkiOperator() make folders that are complete", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: HOSTS });
  const longest = "A".repeat(64);
  const [computer, operator] = [
    await runPkiComputer({ dir: dir.path, name: "4c-4c_7" }),
    await runPkiOperator({ dir: dir.path, name: "ana@mf.test", days: 7305 }),
  ];
  await runPkiComputer({ dir: dir.path, name: longest, days: 1 });
  const folder = join(dir.path, "computers", "4c-4c_7");
  expect(computer).toEqual({
    ca_file: join(folder, "ca.pem"),
    cert_file: join(folder, "cert.pem"),
    key_file: join(folder, "key.pem"),
  });
  expect(await tree(folder))
    .toEqual({ "ca.pem": "644", "cert.pem": "644", "key.pem": "600" });
  expect(
    [computer, operator].map((files) =>
      new X509Certificate(readText(files["cert_file"])).subject
    ),
  ).toEqual([
    "O=mf.test\nOU=COMPUTERS\nCN=4c-4c_7",
    "O=mf.test\nOU=ADMINS\nCN=ana@mf.test",
  ]);
  expect(readText(operator["ca_file"]))
    .toBe(readText(join(dir.path, "ca.pem")));
  expect(await daysOf(computer["cert_file"] ?? "")).toBe(825);
  expect((await readdir(join(dir.path, "computers"))).sort())
    .toEqual(["4c-4c_7", longest]);
});

test("runPkiComputer() does not issue a name twice, nor two at once", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: HOSTS });
  const request = { dir: dir.path, name: "pc" };
  const results = await Promise.allSettled([
    runPkiComputer(request),
    runPkiComputer(request),
  ]);
  expect(results.map(({ status }) => status).sort())
    .toEqual(["fulfilled", "rejected"]);
  const [reason] = results.flatMap((it) => "reason" in it ? [it.reason] : []);
  expect(String(reason)).toEndWith("pc: it is there already");
  const folder = join(dir.path, "computers", "pc");
  const key = readText(join(folder, "key.pem"));
  expect(await rejection(runPkiComputer(request))).toMatchObject({
    code: "configInvalid",
    message: `Cannot create ${folder}: it is there already`,
  });
  expect(readText(join(folder, "key.pem"))).toBe(key);
  expect(await readdir(join(dir.path, "computers"))).toEqual(["pc"]);
  expect(await readdir(join(dir.path, "issued/computers/pc")))
    .toHaveLength(1);
});

test("runPkiComputer() says that there is no CA", async () => {
  await using dir = await makeTemporaryDir();
  expect(await rejection(runPkiComputer({ dir: dir.path, name: "pc" })))
    .toMatchObject({
      code: "configInvalid",
      message: `Cannot read certificate of the CA ${
        join(dir.path, "ca.pem")
      }: there is no such file`,
    });
  expect(await readdir(dir.path)).toEqual([]);
});
