import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CertificateAuthority,
  validityOfDays,
} from "../../src/runtime/certificate_authority.ts";
import { makeDevPki } from "../support/dev_pki.ts";
import { openssl, opensslText, testOpenssl } from "../support/openssl.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const NOW = new Date();
const VALIDITY = validityOfDays(825, NOW);

/** The text of one section of `openssl x509 -text`, without its heading. */
function section(text: string, heading: string): string[] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.trim().startsWith(heading));
  const indent = lines[start]?.search(/\S/) ?? 0;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.search(/\S/) <= indent);
  return rest.slice(0, end).map((line) => line.trim());
}

test("CertificateAuthority makes certificates with migasfree's names", async () => {
  const authority = await CertificateAuthority.create("mf.test");
  const issued = [
    await authority.issueGateway(["mf.test", "10.0.0.1"], VALIDITY),
    await authority.issueComputer("4c4c_7", VALIDITY),
    await authority.issueOperator("ana", VALIDITY),
  ];
  const certificates = [authority.certPem, ...issued.map((it) => it.certPem)]
    .map((pem) => new X509Certificate(pem));
  expect(certificates.map(({ subject }) => subject)).toEqual([
    "O=migasfree\nCN=mf.test Root CA",
    "O=migasfree\nOU=Core\nCN=mf.test",
    "O=mf.test\nOU=COMPUTERS\nCN=4c4c_7",
    "O=mf.test\nOU=ADMINS\nCN=ana",
  ]);
  expect(certificates.map(({ subjectAltName }) => subjectAltName)).toEqual([
    undefined,
    "DNS:mf.test, DNS:*.mf.test, IP Address:10.0.0.1",
    undefined,
    undefined,
  ]);
  expect(authority.host).toBe("mf.test");
});

testOpenssl(
  "CertificateAuthority makes certificates that openssl takes strictly",
  async () => {
    await using pki = await makeDevPki();
    const computer = await pki.computer("pc");
    const operator = await pki.operator("ana");
    for (
      const [purpose, { certFile }] of [
        ["sslserver", pki.gateway],
        ["sslclient", computer],
        ["sslclient", operator],
      ] as const
    ) {
      const strict = ["-x509_strict", "-purpose", purpose];
      expect(
        openssl(pki.dir, "verify", ...strict, "-CAfile", "ca.pem", certFile),
      ).toEqual({ exitCode: 0, text: `${certFile}: OK\n` });
    }
    const wrongPurpose = ["verify", "-purpose", "sslserver", "-CAfile"];
    expect(openssl(pki.dir, ...wrongPurpose, "ca.pem", computer.certFile))
      .toMatchObject({ exitCode: 2 });
  },
);

testOpenssl(
  "CertificateAuthority writes the extensions of each kind of certificate",
  async () => {
    await using pki = await makeDevPki();
    const computer = await pki.computer("pc");
    const [ca, gateway, client] = [pki.caFile, pki.gateway.certFile, computer]
      .map((file) => typeof file === "string" ? file : file.certFile)
      .map((file) =>
        opensslText(pki.dir, "x509", "-noout", "-text", "-in", file)
      );
    const keyId = section(ca ?? "", "X509v3 Subject Key Identifier");
    expect(section(ca ?? "", "X509v3 extensions")).toEqual([
      "X509v3 Basic Constraints: critical",
      "CA:TRUE",
      "X509v3 Key Usage: critical",
      "Digital Signature, Certificate Sign, CRL Sign",
      "X509v3 Subject Key Identifier:",
      ...keyId,
      "X509v3 Authority Key Identifier:",
      ...keyId,
    ]);
    expect(section(gateway ?? "", "X509v3 extensions")).toEqual([
      "X509v3 Basic Constraints: critical",
      "CA:FALSE",
      "X509v3 Key Usage: critical",
      "Digital Signature",
      "X509v3 Extended Key Usage:",
      "TLS Web Server Authentication",
      "X509v3 Subject Key Identifier:",
      ...section(gateway ?? "", "X509v3 Subject Key Identifier"),
      "X509v3 Authority Key Identifier:",
      ...keyId,
      "X509v3 Subject Alternative Name:",
      "DNS:localhost, DNS:*.localhost, IP Address:127.0.0.1",
    ]);
    expect(section(client ?? "", "X509v3 Extended Key Usage")).toEqual([
      "TLS Web Client Authentication",
    ]);
    expect(client).toContain("NIST CURVE: P-256");
    expect(client).toContain("Signature Algorithm: ecdsa-with-SHA256");
  },
);

test("CertificateAuthority gives each certificate a random positive serial of 16 bytes", async () => {
  const authority = await CertificateAuthority.create("mf.test");
  const serials = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const { certPem, serial } = await authority.issueComputer("x", VALIDITY);
    expect(new X509Certificate(certPem).serialNumber.toLowerCase())
      .toBe(serial);
    expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
    serials.add(serial);
  }
  expect(serials.size).toBe(20);
});

test("CertificateAuthority keeps to the validity that it is given, within its own", async () => {
  const authority = await CertificateAuthority.create("mf.test", {
    notBefore: new Date("2020-01-01T00:00:00Z"),
    notAfter: new Date("2055-06-01T00:00:00Z"),
  });
  const [past, none, endless] = await Promise.all([
    ["2021-01-01T00:00:00Z", "2021-01-02T00:00:00Z"],
    ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"],
    ["2030-01-01T00:00:00Z", "2090-01-01T00:00:00Z"],
  ].map(async ([notBefore = "", notAfter = ""]) => {
    const { certPem } = await authority.issueComputer("x", {
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
    });
    const { validFrom, validTo } = new X509Certificate(certPem);
    return [validFrom, validTo].map((text) => new Date(text).toISOString());
  }));
  expect([past, none, endless]).toEqual([
    ["2021-01-01T00:00:00.000Z", "2021-01-02T00:00:00.000Z"],
    ["2030-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z"],
    ["2030-01-01T00:00:00.000Z", "2055-06-01T00:00:00.000Z"],
  ]);
});

test("CertificateAuthority lives twenty years unless told otherwise", async () => {
  const { certPem } = await CertificateAuthority.create("mf.test");
  const { validFrom, validTo } = new X509Certificate(certPem);
  const days = (Date.parse(validTo) - Date.parse(validFrom)) / 86_400_000;
  expect(Math.floor(days)).toBe(7305);
});

test("CertificateAuthority.load() goes on with what create() made", async () => {
  const created = await CertificateAuthority.create("mf.test");
  const loaded = await CertificateAuthority.load(
    created.certPem,
    created.keyPem,
  );
  expect([loaded.certPem, loaded.keyPem, loaded.host])
    .toEqual([created.certPem, created.keyPem, "mf.test"]);
  const { certPem } = await loaded.issueOperator("ana", VALIDITY);
  const { publicKey } = new X509Certificate(created.certPem);
  expect(new X509Certificate(certPem).verify(publicKey)).toBe(true);
});

test("CertificateAuthority.load() refuses broken texts and another's key", async () => {
  const one = await CertificateAuthority.create("one.test");
  const other = await CertificateAuthority.create("other.test");
  const faults = await Promise.all([
    rejection(CertificateAuthority.load(one.certPem, other.keyPem)),
    rejection(CertificateAuthority.load(one.certPem, "no key")),
    rejection(CertificateAuthority.load("no certificate", one.keyPem)),
  ]);
  expect(faults).toMatchObject([
    {
      code: "configInvalid",
      message: "Cannot use the CA: its key belongs to another certificate",
    },
    { code: "configInvalid" },
    { code: "configInvalid" },
  ]);
});

testOpenssl(
  "CertificateAuthority.extendCrl() adds to a CRL that openssl obeys",
  async () => {
    const authority = await CertificateAuthority.create("mf.test");
    const [one, two, three] = await Promise.all(
      ["one", "two", "three"].map((name) =>
        authority.issueComputer(name, VALIDITY)
      ),
    );
    const first = new Date(NOW.getTime() - 60_000);
    const before = await authority.createCrl([one?.serial ?? ""], first);
    const serials = [one?.serial ?? "", two?.serial ?? ""];
    const crlPem = await authority.extendCrl(before, serials, NOW);

    await using temporary = await makeTemporaryDir();
    const dir = temporary.path;
    await writeFile(join(dir, "ca.pem"), authority.certPem);
    await writeFile(join(dir, "crl.pem"), crlPem);
    const exitCodes: number[] = [];
    for (const issued of [one, two, three]) {
      await writeFile(join(dir, "cert.pem"), issued?.certPem ?? "");
      const check = ["-x509_strict", "-crl_check", "-CRLfile", "crl.pem"];
      const file = ["-CAfile", "ca.pem", "cert.pem"];
      exitCodes.push(openssl(dir, "verify", ...check, ...file).exitCode);
    }
    const text = opensslText(dir, "crl", "-noout", "-text", "-in", "crl.pem");
    expect(exitCodes).toEqual([2, 2, 0]);
    const listed = text.match(/(?<=Serial Number: )\w+/g) ?? [];
    expect(listed.map((serial) => serial.toLowerCase()).sort())
      .toEqual(serials.sort());
    expect(text.match(/Revocation Date: .*/g)).toHaveLength(2);
    expect(new Set(text.match(/Revocation Date: .*/g)).size).toBe(2);
    const [last = "", next = ""] = text.match(/(?<=Update: ).*/g) ?? [];
    expect(Date.parse(next) - Date.parse(last)).toBe(30 * 86_400_000);
  },
);

testOpenssl("CertificateAuthority numbers its CRLs by the clock", async () => {
  await using dir = await makeTemporaryDir();
  const authority = await CertificateAuthority.create("mf.test");
  const numbers = [];
  for (const year of ["1987", "2026", "2200"]) {
    const now = new Date(`${year}-12-01T00:00:00Z`);
    await writeFile(
      join(dir.path, "x.pem"),
      await authority.createCrl([], now),
    );
    const args = ["crl", "-noout", "-crlnumber", "-in", "x.pem"];
    const [, hex = ""] = /=(.*)/.exec(opensslText(dir.path, ...args)) ?? [];
    numbers.push(new Date(Number(hex)).getUTCFullYear());
  }
  expect(numbers).toEqual([1987, 2026, 2200]);
});

test("CertificateAuthority.extendCrl() refuses a CRL of another CA", async () => {
  const one = await CertificateAuthority.create("same.test");
  const other = await CertificateAuthority.create("same.test");
  const crlPem = await other.createCrl([]);
  expect(await rejection(one.extendCrl(crlPem, ["41"]))).toMatchObject({
    code: "configInvalid",
    message: "Cannot use the CA: its CRL is broken or of another CA",
  });
});
