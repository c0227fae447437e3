import { afterAll, beforeAll, expect } from "bun:test";
import forge from "node-forge";
import { Fault } from "../../src/protocol/fault.ts";
import { openPkcs12Identity } from "../../src/runtime/pkcs12_identity.ts";
import { opensslText } from "../support/openssl.ts";
import { type AdminFiles, exportP12, makeAdmin } from "../support/p12.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const missing = missingProgram("openssl");
const test = testUnless(missing);

let dir: Awaited<ReturnType<typeof makeTemporaryDir>>;
let admin: AdminFiles;

beforeAll(async () => {
  dir = await makeTemporaryDir();
  if (missing === undefined) admin = await makeAdmin(dir.path);
});

afterAll(async () => await dir[Symbol.asyncDispose]());

async function refused(bytes: Uint8Array) {
  const opening = openPkcs12Identity(bytes, "secret", "ana.p12");
  const { code, message } = Fault.from(await rejection(opening));
  return [code, message];
}

test("openPkcs12Identity() refuses a file without a key", async () => {
  const bytes = await exportP12(admin, "secret", "-nokeys");
  expect(await refused(bytes)).toEqual([
    "configInvalid",
    "Cannot use ana.p12: there is no key in it",
  ]);
});

test("openPkcs12Identity() refuses a file whose certificate is another's", async () => {
  opensslText(
    dir.path,
    ...["pkcs12", "-export", "-nocerts", "-inkey", "ca.key"],
    ...["-passout", "pass:secret", "-out", "bare.p12"],
  );
  const bare = await Bun.file(`${dir.path}/bare.p12`).bytes();
  expect(await refused(bare)).toEqual([
    "configInvalid",
    "Cannot use ana.p12: no certificate in it is that of its key",
  ]);
});

test("openPkcs12Identity() does not choose among several keys", async () => {
  const plain = ["-nomac", "-keypbe", "NONE", "-certpbe", "NONE"];
  const bytes = await exportP12(admin, "secret", ...plain);
  const file = forge.asn1.fromDer(Buffer.from(bytes).toString("latin1"));
  // PFX ::= SEQUENCE { version, authSafe }; a ContentInfo has [0] { content }
  const content = list(list(list(file)[1])[1])[0];
  const parts = forge.asn1.fromDer(String(content?.value));
  // The last part has the key: two of them.
  list(parts).push(...list(parts).slice(-1));
  if (content) content.value = forge.asn1.toDer(parts).getBytes();
  const twice = Buffer.from(forge.asn1.toDer(file).getBytes(), "latin1");
  expect(await refused(twice)).toEqual([
    "configInvalid",
    "Cannot use ana.p12: there are 2 keys in it",
  ]);
});

function list(element: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  return element?.value as forge.asn1.Asn1[];
}

test("openPkcs12Identity() has no CA where the file brings none", async () => {
  opensslText(
    dir.path,
    ...["pkcs12", "-export", "-in", "admin.pem", "-inkey", "admin.key"],
    ...["-passout", "pass:secret", "-out", "alone.p12"],
  );
  const alone = await Bun.file(`${dir.path}/alone.p12`).bytes();
  const { ca, cert } = await openPkcs12Identity(alone, "secret", "ana.p12");
  expect({ ca, cert }).toEqual({ ca: undefined, cert: admin.certPem });
});

test("openPkcs12Identity() puts what is between certificate and CA behind the certificate", async () => {
  await using below = await makeTemporaryDir();
  const at = below.path;
  opensslText(
    at,
    ...["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Between"],
    ...["-keyout", "ca.key", "-out", "between.csr"],
  );
  await Bun.write(`${at}/ca.cnf`, "basicConstraints=critical,CA:TRUE\n");
  opensslText(
    at,
    ...["x509", "-req", "-in", "between.csr", "-days", "9", "-CAcreateserial"],
    ...["-CA", `${dir.path}/ca.pem`, "-CAkey", `${dir.path}/ca.key`],
    ...["-extfile", "ca.cnf", "-out", "between.pem"],
  );
  opensslText(
    at,
    ...["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/OU=ADMINS/CN=eva"],
    ...["-keyout", "admin.key", "-out", "admin.csr"],
  );
  opensslText(
    at,
    ...["x509", "-req", "-in", "admin.csr", "-days", "9", "-CAcreateserial"],
    ...["-CA", "between.pem", "-CAkey", "ca.key", "-out", "admin.pem"],
  );
  const between = await Bun.file(`${at}/between.pem`).text();
  // The CA first: the order in the file says nothing.
  await Bun.write(`${at}/ca.pem`, `${admin.caPem}${between}`);
  const own = await Bun.file(`${at}/admin.pem`).text();
  const files = { dir: at, caPem: admin.caPem, certPem: own };
  const bytes = await exportP12(files, "secret");
  const { ca, cert } = await openPkcs12Identity(bytes, "secret", "eva.p12");
  expect({ ca, cert }).toEqual({ ca: admin.caPem, cert: `${own}${between}` });
});
