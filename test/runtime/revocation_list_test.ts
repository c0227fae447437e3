import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateAuthority } from "../../src/runtime/certificate_authority.ts";
import { signCrl } from "../../src/runtime/crl_writer.ts";
import { decodePem } from "../../src/runtime/pem.ts";
import { loadRevocationList } from "../../src/runtime/revocation_list.ts";
import { importSigningKey } from "../../src/runtime/signing_key.ts";
import { loadX509Library } from "../../src/runtime/x509_library.ts";
import { type DevCertificate, makeDevPki } from "../support/dev_pki.ts";
import { rejection } from "../support/rejection.ts";

function der({ certPem }: { certPem: string }): Uint8Array {
  return decodePem(certPem, "CERTIFICATE")[0] ?? new Uint8Array();
}

function verdicts(
  list: { isRevoked(certificate: Uint8Array): boolean },
  certificates: readonly DevCertificate[],
): boolean[] {
  return certificates.map((certificate) => list.isRevoked(der(certificate)));
}

test("loadRevocationList() honours all CRLs of one issuer in one file", async () => {
  await using pki = await makeDevPki();
  const computers = [await pki.computer("a"), await pki.computer("b")];
  const operators = [await pki.operator("a"), await pki.operator("b")];
  const now = new Date();
  const crls = await Promise.all([
    pki.authority.createCrl([operators[0]?.serial ?? ""], now),
    pki.authority.createCrl([computers[1]?.serial ?? ""], now),
  ]);
  for (const texts of [crls, crls.toReversed()]) {
    await writeFile(pki.crlFile, `two lists\n${texts.join("and\n")}end`);
    const list = await loadRevocationList([pki.crlFile], pki.caPem);
    expect(verdicts(list, computers)).toEqual([false, true]);
    expect(verdicts(list, operators)).toEqual([true, false]);
    expect(list.revokedCount).toBe(2);
  }
});

test("loadRevocationList() joins files, in PEM and in DER, and takes the first next update", async () => {
  await using pki = await makeDevPki();
  const [one, two] = [await pki.computer("one"), await pki.computer("two")];
  const early = new Date("2026-01-02T03:04:05Z");
  const late = new Date("2051-01-02T03:04:05Z");
  const pem = await pki.authority.createCrl([one.serial], late);
  const [bytes = new Uint8Array()] = decodePem(
    await pki.authority.createCrl([two.serial], early),
    "X509 CRL",
  );
  const files = [join(pki.dir, "crl.der"), join(pki.dir, "other.pem")];
  await writeFile(files[0] ?? "", bytes);
  await writeFile(files[1] ?? "", pem);
  const list = await loadRevocationList(files, pki.caPem);
  expect(verdicts(list, [one, two, pki.gateway])).toEqual([true, true, false]);
  expect(list.nextUpdateMs).toBe(early.getTime() + 30 * 86_400_000);
  const alone = await loadRevocationList(files.slice(1), pki.caPem);
  expect(alone.nextUpdateMs).toBe(late.getTime() + 30 * 86_400_000);
});

test("loadRevocationList() tells issuers of the same serial numbers apart", async () => {
  await using pki = await makeDevPki();
  const other = await CertificateAuthority.create("other.test");
  const computer = await pki.computer("pc");
  const file = join(pki.dir, "other.pem");
  await writeFile(file, await other.createCrl([computer.serial]));
  const list = await loadRevocationList([file], pki.caPem + other.certPem);
  expect([list.revokedCount, list.isRevoked(der(computer))])
    .toEqual([1, false]);
});

test("loadRevocationList() of no files revokes nobody", async () => {
  await using pki = await makeDevPki();
  const list = await loadRevocationList([], pki.caPem);
  expect([list.isRevoked(der(pki.gateway)), list.nextUpdateMs])
    .toEqual([false, undefined]);
});

test("loadRevocationList() refuses a CRL that none of the CAs has signed", async () => {
  await using pki = await makeDevPki();
  // Of the same name, so that only the signature tells them apart.
  const impostor = await CertificateAuthority.create("localhost");
  await writeFile(pki.crlFile, await impostor.createCrl([]));
  const fault = await rejection(loadRevocationList([pki.crlFile], pki.caPem));
  expect(fault).toMatchObject({
    code: "configInvalid",
    message:
      `Cannot trust revocation list: one in ${pki.crlFile} is signed by none of the CAs`,
    hint: "Fetch the CRL again, or add its issuer to client_ca_file",
  });
});

test("loadRevocationList() refuses a CRL that a CA signed in another's name", async () => {
  await using pki = await makeDevPki();
  const { X509Certificate } = await loadX509Library();
  const other = await CertificateAuthority.create("other.test");
  const crl = await signCrl([], {
    certificate: new X509Certificate(other.certPem),
    key: await importSigningKey(pki.authority.keyPem),
  }, new Date());
  await writeFile(pki.crlFile, crl);
  expect(await rejection(loadRevocationList([pki.crlFile], pki.caPem)))
    .toMatchObject({ code: "configInvalid" });
});

test("loadRevocationList() refuses a CRL if a single byte of it was changed", async () => {
  await using pki = await makeDevPki();
  await pki.revokedComputer("pc");
  const pem = await Bun.file(pki.crlFile).text();
  const [bytes = new Uint8Array()] = decodePem(pem, "X509 CRL");
  const accepted: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(pki.crlFile, changed);
    try {
      await loadRevocationList([pki.crlFile], pki.caPem);
      accepted.push(at);
    } catch (error) {
      expect(error).toMatchObject({ code: "configInvalid" });
    }
  }
  expect(accepted).toEqual([]);
});

test("loadRevocationList() refuses files that hold no CRL, or half of one", async () => {
  await using pki = await makeDevPki();
  const crl = await Bun.file(pki.crlFile).text();
  const [bytes = new Uint8Array()] = decodePem(crl, "X509 CRL");
  const contents = [
    "",
    "no PEM",
    pki.caPem,
    crl.slice(0, -40),
    crl + crl.slice(0, -40),
    crl.replace("M", "!"),
    bytes.subarray(0, -1),
    Uint8Array.from([...bytes, 0]),
  ];
  for (const content of contents) {
    await writeFile(pki.crlFile, content);
    expect(await rejection(loadRevocationList([pki.crlFile], pki.caPem)))
      .toMatchObject({
        code: "configInvalid",
        message:
          `Cannot read revocation list: ${pki.crlFile} holds none, or one that is broken`,
      });
  }
  const missing = join(pki.dir, "missing.pem");
  expect(await rejection(loadRevocationList([missing], pki.caPem)))
    .toMatchObject({
      code: "configInvalid",
      message: `Cannot read revocation list ${missing}: there is no such file`,
    });
});

test("loadRevocationList() refuses certificates of authorities that are none", async () => {
  for (const caPem of ["", "no PEM", "-----BEGIN CERTIFICATE-----\nMAA="]) {
    expect(await rejection(loadRevocationList([], caPem)))
      .toMatchObject({ code: "configInvalid" });
  }
});

test("isRevoked() throws a fault for what is no certificate", async () => {
  await using pki = await makeDevPki();
  const list = await loadRevocationList([pki.crlFile], pki.caPem);
  const whole = der(pki.gateway);
  const broken = [new Uint8Array(), whole.subarray(0, 40), Uint8Array.of(1)];
  for (const bytes of broken) {
    expect(() => list.isRevoked(bytes)).toThrow(
      expect.objectContaining({ code: "certificateUntrusted" }),
    );
  }
});
