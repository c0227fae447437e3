import { expect } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodePem } from "../../src/runtime/pem.ts";
import { loadRevocationList } from "../../src/runtime/revocation_list.ts";
import { opensslText, testOpenssl } from "../support/openssl.ts";
import { rejection } from "../support/rejection.ts";

/** As migasfree's manager has it: one CA, a database each for two roles. */
const CONFIGURATION = `
[req]
distinguished_name = dn
prompt = no
x509_extensions = root
[dn]
C = ES
O = migasfree
CN = mf.test Root CA
[root]
basicConstraints = critical, CA:TRUE
keyUsage = digitalSignature, cRLSign, keyCertSign
[ca]
default_ca = db
[db]
dir = DATABASE
database = $dir/index.txt
new_certs_dir = $dir
serial = $dir/serial
crlnumber = $dir/crlnumber
certificate = ca.pem
private_key = ca.key
default_md = DIGEST
default_days = 2
default_crl_days = 30
policy = policy
unique_subject = no
[policy]
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[delta]
2.5.29.27 = critical, ASN1:INTEGER:1
`;

/** An authority that is kept with the `openssl` program, in a directory. */
class OpensslAuthority implements AsyncDisposable {
  readonly dir: string;
  readonly #digest: string;

  constructor(dir: string, digest: string) {
    this.dir = dir;
    this.#digest = digest;
  }

  async addDatabase(name: string): Promise<void> {
    await mkdir(join(this.dir, name));
    const configuration = CONFIGURATION.replace("DATABASE", name)
      .replace("DIGEST", this.#digest);
    await writeFile(join(this.dir, `${name}.cnf`), configuration);
    await writeFile(join(this.dir, name, "index.txt"), "");
    await writeFile(join(this.dir, name, "serial"), "1000\n");
    await writeFile(join(this.dir, name, "crlnumber"), "01\n");
  }

  /** Returns the certificate in DER. */
  async issue(
    database: string,
    unit: string,
    name: string,
  ): Promise<Uint8Array> {
    const file = `${database}-${name}.pem`;
    const subject = `/O=mf.test/OU=${unit}/CN=${name}`;
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const request = ["-nodes", "-keyout", "x.key", "-out", "x.csr"];
    const config = ["-config", `${database}.cnf`];
    opensslText(
      this.dir,
      "req",
      ...config,
      ...key,
      ...request,
      "-subj",
      subject,
    );
    const out = ["-batch", "-notext", "-in", "x.csr", "-out", file];
    opensslText(this.dir, "ca", ...config, ...out);
    const pem = await readFile(join(this.dir, file), "utf8");
    return decodePem(pem, "CERTIFICATE")[0] ?? new Uint8Array();
  }

  revoke(database: string, name: string): void {
    const file = `${database}-${name}.pem`;
    opensslText(this.dir, "ca", "-config", `${database}.cnf`, "-revoke", file);
  }

  /** Returns the CRL in PEM. */
  async crl(database: string, ...more: string[]): Promise<string> {
    const config = ["-config", `${database}.cnf`, "-gencrl", "-out", "x.crl"];
    opensslText(this.dir, "ca", ...config, ...more);
    return await readFile(join(this.dir, "x.crl"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true });
  }
}

async function openAuthority(
  key: readonly string[],
  digest = "sha256",
): Promise<OpensslAuthority> {
  const dir = await mkdtemp(join(tmpdir(), "migasfree-openssl-"));
  const authority = new OpensslAuthority(dir, digest);
  await authority.addDatabase("admin");
  await authority.addDatabase("computer");
  const request = ["req", "-config", "admin.cnf", "-x509", "-nodes"];
  const files = ["-days", "9", "-keyout", "ca.key", "-out", "ca.pem"];
  opensslText(authority.dir, ...request, "-newkey", ...key, ...files);
  return authority;
}

testOpenssl(
  "loadRevocationList() honours migasfree's two CRLs of one CA that were made in one second",
  async () => {
    await using authority = await openAuthority(["rsa:2048"]);
    await authority.issue("admin", "ADMINS", "first"); // takes number 1000
    const admin = await authority.issue("admin", "ADMINS", "ana");
    const computers = [
      await authority.issue("computer", "COMPUTERS", "good"),
      await authority.issue("computer", "COMPUTERS", "other"),
      await authority.issue("computer", "COMPUTERS", "stolen"),
    ];
    authority.revoke("admin", "ana"); // 1001
    authority.revoke("computer", "stolen"); // 1002
    const crls = [
      await authority.crl("admin"),
      await authority.crl("computer"),
    ];
    const file = join(authority.dir, "crl.pem");
    await writeFile(file, crls.join(""));
    const caPem = await readFile(join(authority.dir, "ca.pem"), "utf8");
    const list = await loadRevocationList([file], caPem);
    expect(list.isRevoked(admin)).toBe(true);
    // The second computer has the number of the revoked admin: a fault of how
    // the site numbers, which no reader of its CRLs can tell.
    expect(computers.map((computer) => list.isRevoked(computer)))
      .toEqual([false, true, true]);
    expect(list.revokedCount).toBe(2);
    const [nextUpdate = ""] = opensslText(authority.dir, ...[
      "crl",
      "-noout",
      "-nextupdate",
      "-in",
      "crl.pem",
    ]).match(/(?<=nextUpdate=).*/) ?? [];
    expect(list.nextUpdateMs).toBe(Date.parse(nextUpdate));
  },
);

const KEYS: Readonly<Record<string, readonly [string[], string]>> = {
  "RSA and SHA-384": [["rsa:2048"], "sha384"],
  "RSA and SHA-512": [["rsa:2048"], "sha512"],
  "P-384 and SHA-384": [
    ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "sha384",
  ],
  "Ed25519": [["ed25519"], "null"],
};

for (const [name, [key, digest]] of Object.entries(KEYS)) {
  testOpenssl(
    `loadRevocationList() verifies a CRL signed by ${name}`,
    async () => {
      await using authority = await openAuthority(key, digest);
      const certificates = [
        await authority.issue("computer", "COMPUTERS", "good"),
        await authority.issue("computer", "COMPUTERS", "stolen"),
      ];
      authority.revoke("computer", "stolen");
      const file = join(authority.dir, "crl.der");
      const [der = new Uint8Array()] = decodePem(
        await authority.crl("computer"),
        "X509 CRL",
      );
      await writeFile(file, der);
      const caPem = await readFile(join(authority.dir, "ca.pem"), "utf8");
      const list = await loadRevocationList([file], caPem);
      expect(certificates.map((certificate) => list.isRevoked(certificate)))
        .toEqual([false, true]);
    },
  );
}

testOpenssl(
  "loadRevocationList() refuses SHA-1, and critical extensions that it does not know",
  async () => {
    await using authority = await openAuthority(["rsa:2048"], "sha1");
    const caPem = await readFile(join(authority.dir, "ca.pem"), "utf8");
    const file = join(authority.dir, "crl.pem");
    await writeFile(file, await authority.crl("admin"));
    expect(await rejection(loadRevocationList([file], caPem))).toMatchObject({
      code: "configInvalid",
      message:
        `Cannot trust revocation list: one in ${file} is signed with an algorithm that is not supported (OID 2a864886f70d010105)`,
    });
    const delta = ["-md", "sha256", "-crlexts", "delta"];
    await writeFile(file, await authority.crl("admin", ...delta));
    expect(await rejection(loadRevocationList([file], caPem))).toMatchObject({
      code: "configInvalid",
      cause: expect.objectContaining({
        message: "CRL has a critical extension, OID 551d1b",
      }),
    });
  },
);

testOpenssl("isRevoked() answers at once in a list of 20,000", async () => {
  await using authority = await openAuthority(["rsa:2048"]);
  const index = Array.from(
    { length: 20_000 },
    (_none, at) =>
      `R\t301231235959Z\t260101000000Z\t${
        (0x100000 + at).toString(16)
      }\tunknown\t/CN=${at}\n`,
  );
  await writeFile(join(authority.dir, "admin", "index.txt"), index.join(""));
  const file = join(authority.dir, "crl.pem");
  await writeFile(file, await authority.crl("admin"));
  const caPem = await readFile(join(authority.dir, "ca.pem"), "utf8");
  const certificate = await authority.issue("computer", "COMPUTERS", "pc");

  const startMs = performance.now();
  const list = await loadRevocationList([file], caPem);
  const loadedMs = performance.now();
  for (let count = 0; count < 1_000; count++) list.isRevoked(certificate);
  const endMs = performance.now();
  expect(list.revokedCount).toBe(20_000);
  expect(loadedMs - startMs).toBeLessThan(2_000);
  expect(endMs - loadedMs).toBeLessThan(1_000);
});
