import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { DER_TAGS, DerReader } from "../../src/runtime/der.ts";
import { decodePem } from "../../src/runtime/pem.ts";
import { loadRevocationList } from "../../src/runtime/revocation_list.ts";
import {
  generateSigningKeys,
  SIGNING_ALGORITHM,
} from "../../src/runtime/signing_key.ts";
import {
  nameKey,
  readCertificateId,
  readSubjectKey,
  readValidity,
  serialKey,
} from "../../src/runtime/x509_fields.ts";
import { loadX509Library } from "../../src/runtime/x509_library.ts";
import { makeDevPki } from "../support/dev_pki.ts";

/** One attribute value, an O. */
function nameOf(tag: number, content: Uint8Array): string {
  const value = [tag, content.length, ...content];
  const type = [DER_TAGS.oid, 3, 0x55, 0x04, 0x0a];
  const size = type.length + value.length;
  const attribute = [DER_TAGS.sequence, size, ...type, ...value];
  const set = [DER_TAGS.set, attribute.length, ...attribute];
  const name = Uint8Array.of(DER_TAGS.sequence, set.length, ...set);
  return nameKey(new DerReader(name).read(DER_TAGS.sequence));
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("nameKey() is the same for each way to write a name", () => {
  const keys = [
    nameOf(DER_TAGS.utf8String, utf8("Mi Gás")),
    nameOf(DER_TAGS.utf8String, utf8("  mI \t\n gáS ")),
    nameOf(DER_TAGS.teletexString, Uint8Array.fromHex("4d692047e173")),
    nameOf(DER_TAGS.bmpString, Uint8Array.fromHex("004d00690020004700e10073")),
    nameOf(
      DER_TAGS.universalString,
      Uint8Array.fromHex("0000004d000000690000002000000047000000e100000073"),
    ),
  ];
  expect(keys).toEqual(Array(5).fill('[["55040a=mi gás"]]'));
  expect(nameOf(DER_TAGS.printableString, utf8("A B")))
    .toBe(nameOf(DER_TAGS.ia5String, utf8("a  b")));
});

test("nameKey() tells apart what a verifier tells apart", () => {
  const keys = [
    nameOf(DER_TAGS.utf8String, utf8("GÁS")),
    nameOf(DER_TAGS.utf8String, utf8("GáS")),
    nameOf(DER_TAGS.utf8String, utf8("G ÁS")),
    nameOf(DER_TAGS.utf8String, utf8('GÁS"],["')),
    nameOf(DER_TAGS.bitString, utf8("GÁS")),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test("serialKey() is the number, however many zeros come before it", () => {
  const keys = ["01", "0001", "0080", "80", "00", "000000"].map((hex) =>
    serialKey({
      tag: DER_TAGS.integer,
      content: Uint8Array.fromHex(hex),
      whole: new Uint8Array(),
    })
  );
  expect(keys).toEqual(["01", "01", "0080", "80", "00", "00"]);
});

test("readCertificateId() and readSubjectKey() read what the CA wrote", async () => {
  await using pki = await makeDevPki();
  const computer = await pki.computer("PC");
  const [ca = new Uint8Array()] = decodePem(pki.caPem, "CERTIFICATE");
  const [raw = new Uint8Array()] = decodePem(computer.certPem, "CERTIFICATE");
  const caKey = '[["55040a=migasfree"],["550403=localhost root ca"]]';
  expect(readCertificateId(raw))
    .toEqual({ issuerKey: caKey, serialKey: computer.serial });
  expect(readSubjectKey(raw))
    .toBe('[["55040a=localhost"],["55040b=computers"],["550403=pc"]]');
  expect(readSubjectKey(ca)).toBe(caKey);
});

test("isRevoked() knows a certificate that writes its issuer otherwise than the CRL", async () => {
  await using pki = await makeDevPki();
  const revoked = await pki.revokedComputer("pc");
  const list = await loadRevocationList([pki.crlFile], pki.caPem);
  const x509 = await loadX509Library();
  const keys = await generateSigningKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: revoked.serial,
    subject: [{ CN: ["pc"] }],
    issuer: new x509.Name([
      { O: [{ printableString: "MIGASFREE" }] },
      { CN: [{ printableString: "localhost  Root CA" }] },
    ]),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
  });
  expect(list.isRevoked(new Uint8Array(certificate.rawData))).toBe(true);
  await writeFile(pki.crlFile, await pki.authority.createCrl([]));
  const empty = await loadRevocationList([pki.crlFile], pki.caPem);
  expect(empty.isRevoked(new Uint8Array(certificate.rawData))).toBe(false);
});

test("readValidity() says what node:crypto says", async () => {
  await using pki = await makeDevPki();
  const { certPem } = await pki.computer("pc-7");
  const [raw = new Uint8Array()] = decodePem(certPem, "CERTIFICATE");
  const { validFromDate, validToDate } = new X509Certificate(certPem);
  expect(readValidity(raw)).toEqual({
    notBeforeMs: validFromDate.getTime(),
    notAfterMs: validToDate.getTime(),
  });
});
