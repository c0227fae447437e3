import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { opensslText } from "./openssl.ts";

/** A CA and an administrator as migasfree 5 makes them, by `openssl`. */
export interface AdminFiles {
  readonly dir: string;
  /** PEM texts. */
  readonly caPem: string;
  readonly certPem: string;
}

const DAYS = ["-days", "30"];

/**
 * Writes `ca.{pem,key}` and `admin.{pem,key}` into `dir`: the names and
 * extensions are those of a migasfree site with this FQDN.
 *
 * @param algorithm What `-newkey` is given for the administrator's key.
 */
export async function makeAdmin(
  dir: string,
  fqdn = "mf.test",
  name = "ana",
  algorithm: readonly string[] = ["rsa:2048"],
): Promise<AdminFiles> {
  opensslText(
    dir,
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...DAYS],
    ...["-subj", `/C=ES/ST=ZARAGOZA/L=ZARAGOZA/O=migasfree/CN=${fqdn} Root CA`],
    ...["-keyout", "ca.key", "-out", "ca.pem"],
  );
  return await issueAdmin(dir, fqdn, name, algorithm);
}

/** As {@linkcode makeAdmin}, by the CA whose `ca.{pem,key}` are there. */
export async function issueAdmin(
  dir: string,
  fqdn: string,
  name: string,
  algorithm: readonly string[] = ["rsa:2048"],
): Promise<AdminFiles> {
  opensslText(
    dir,
    ...["req", "-newkey", ...algorithm, "-nodes"],
    ...["-subj", `/O=${fqdn}/OU=ADMINS/CN=${name}`],
    ...["-keyout", "admin.key", "-out", "admin.csr"],
  );
  await Bun.write(
    join(dir, "admin.cnf"),
    `extendedKeyUsage=clientAuth,1.2.3.4.5.6.7.8.1
subjectAltName=DNS:${fqdn}
crlDistributionPoints=URI:http://${fqdn}/manager/v1/public/crl
`,
  );
  opensslText(
    dir,
    ...["x509", "-req", "-in", "admin.csr", ...DAYS, "-CAcreateserial"],
    ...["-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", "admin.cnf"],
    ...["-out", "admin.pem"],
  );
  const [caPem, certPem] = await Promise.all(
    ["ca.pem", "admin.pem"].map((file) => readFile(join(dir, file), "utf8")),
  );
  return { dir, caPem: caPem ?? "", certPem: certPem ?? "" };
}

/**
 * Makes a PKCS#12 file of what {@linkcode makeAdmin} wrote, as the site does.
 *
 * @param options Flags for `openssl pkcs12 -export`; they come last.
 */
export async function exportP12(
  { dir }: AdminFiles,
  password: string,
  ...options: readonly string[]
): Promise<Uint8Array> {
  opensslText(
    dir,
    ...["pkcs12", "-export", "-in", "admin.pem", "-inkey", "admin.key"],
    ...["-certfile", "ca.pem", "-name", "ana", "-out", "admin.p12"],
    ...["-passout", `pass:${password}`, ...options],
  );
  return await readFile(join(dir, "admin.p12"));
}
