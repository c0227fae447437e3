import { expect, test } from "bun:test";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { Fault } from "../../src/protocol/fault.ts";
import { storeIdentity } from "../../src/runtime/identity_store.ts";
import { encodePem } from "../../src/runtime/pem.ts";
import type { Pkcs12Identity } from "../../src/runtime/pkcs12_identity.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

function pem(text: string, label = "CERTIFICATE"): string {
  return encodePem(new TextEncoder().encode(text), label);
}

const ROOT = pem("root");

const ANA: Pkcs12Identity = {
  cert: pem("ana") + pem("between"),
  key: pem("ana's", "PRIVATE KEY"),
  ca: ROOT,
  subject: { CN: "ana" },
  validTo: new Date(0),
};

const EVA: Pkcs12Identity = {
  ...ANA,
  cert: pem("eva"),
  key: pem("eva's", "PRIVATE KEY"),
};

/** Name => permissions and content. */
type Files = Readonly<Record<string, readonly [string, string]>>;

/** What is in a folder, with the permissions. */
async function filesOf(folder: string): Promise<Files> {
  const files: Record<string, [string, string]> = {};
  for (const name of (await readdir(folder)).sort()) {
    const { mode } = await stat(`${folder}/${name}`);
    const content = await readFile(`${folder}/${name}`, "utf8");
    files[name] = [(mode & 0o777).toString(8), content];
  }
  return files;
}

const ANAS_FILES: Files = {
  "ca.pem": ["644", ROOT],
  "cert.pem": ["644", ANA.cert],
  "key.pem": ["600", ANA.key],
};

test("item 53: storeIdentity() writes a private key that only its owner reads", async () => {
  await using dir = await makeTemporaryDir();
  const folder = `${dir.path}/.migasfree-connect/mf.test`;
  expect(await storeIdentity(folder, ANA, false)).toEqual({
    "cert_file": `${folder}/cert.pem`,
    "key_file": `${folder}/key.pem`,
    "ca_file": `${folder}/ca.pem`,
  });
  expect(await filesOf(folder)).toEqual(ANAS_FILES);
  for (const path of [folder, `${dir.path}/.migasfree-connect`]) {
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe("700");
  }
});

test("storeIdentity() makes private what was there and open to all", async () => {
  await using dir = await makeTemporaryDir();
  const folder = `${dir.path}/mf.test`;
  await mkdir(folder, { mode: 0o755 });
  await writeFile(`${folder}/key.pem`, `\n${ANA.key}`, { mode: 0o644 });
  await storeIdentity(folder, ANA, false);
  expect((await filesOf(folder))["key.pem"]).toEqual(["600", `\n${ANA.key}`]);
  expect(((await stat(folder)).mode & 0o777).toString(8)).toBe("700");
});

test("storeIdentity() does nothing the second time, and keeps other CAs", async () => {
  await using dir = await makeTemporaryDir();
  const folder = `${dir.path}/mf.test`;
  await storeIdentity(folder, ANA, false);
  const cas = `# ours\n${pem("other")}${ANA.ca}`;
  await writeFile(`${folder}/ca.pem`, cas);
  await storeIdentity(folder, ANA, false);
  const expected: Files = { ...ANAS_FILES, "ca.pem": ["644", cas] };
  expect(await filesOf(folder)).toEqual(expected);
});

test("storeIdentity() writes nothing over somebody else's files", async () => {
  for (const name of ["ca.pem", "cert.pem", "key.pem"]) {
    await using dir = await makeTemporaryDir();
    await writeFile(`${dir.path}/${name}`, "mine", { mode: 0o600 });
    const storing = storeIdentity(dir.path, ANA, false);
    const { code, hint, message } = Fault.from(await rejection(storing));
    expect({ code, hint, message }).toEqual({
      code: "configInvalid",
      hint: "Move it away, or import with --replace",
      message: `Cannot write ${dir.path}/${name}: ` +
        "it is there already, with something else in it",
    });
    expect(await filesOf(dir.path)).toEqual({ [name]: ["600", "mine"] });
  }
});

test("storeIdentity() replaces an identity if it may, and no CA without one", async () => {
  await using dir = await makeTemporaryDir();
  await storeIdentity(dir.path, ANA, false);
  const stored = await storeIdentity(
    dir.path,
    { ...EVA, ca: undefined },
    true,
  );
  expect(stored.ca_file).toBe(`${dir.path}/ca.pem`);
  expect(await filesOf(dir.path)).toEqual({
    "ca.pem": ["644", ROOT],
    "cert.pem": ["644", EVA.cert],
    "key.pem": ["600", EVA.key],
  });
});

test("storeIdentity() says that there is no CA", async () => {
  await using dir = await makeTemporaryDir();
  const alone = { ...ANA, ca: undefined };
  expect((await storeIdentity(dir.path, alone, false)).ca_file)
    .toBeUndefined();
});
