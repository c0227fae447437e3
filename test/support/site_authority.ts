import { readFile, rename, writeFile } from "node:fs/promises";
import {
  CertificateAuthority,
  type IssuedCertificate,
  type SubjectNames,
  type Validity,
  validityOfDays,
} from "../../src/runtime/certificate_authority.ts";
import type { Identity, Site } from "./site.ts";

/** The CA of a site, for certificates that `pki` would not make. */
export async function siteAuthority(site: Site): Promise<CertificateAuthority> {
  const [cert = "", key = ""] = await Promise.all(
    ["ca.pem", "ca.key"]
      .map((name) => readFile(`${site.pkiDir}/${name}`, "utf8")),
  );
  return await CertificateAuthority.load(cert, key);
}

/** Makes a client's certificate with any subject, and dates. */
export async function issueIdentity(
  site: Site,
  name: string,
  subject: SubjectNames,
  validity: Validity = validityOfDays(1, new Date()),
): Promise<Identity> {
  const authority = await siteAuthority(site);
  const issued = await authority.issue({ subject, usage: "client", validity });
  return {
    ca_file: `${site.pkiDir}/ca.pem`,
    cert_file: await site.write(`${name}/cert.pem`, issued.certPem),
    key_file: await site.write(`${name}/key.pem`, issued.keyPem),
  };
}

/** Puts a certificate and its key in the place of others, one by one. */
export async function replaceFiles(
  issued: IssuedCertificate,
  certFile: string,
  keyFile: string,
): Promise<void> {
  for (
    const [path, text] of [
      [keyFile, issued.keyPem],
      [certFile, issued.certPem],
    ] as const
  ) {
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}
