import type { X509Certificate, X509CrlReason } from "@peculiar/x509";
import { DER_TAGS } from "./der.ts";
import { encodePem } from "./pem.ts";
import { SIGNING_ALGORITHM } from "./signing_key.ts";
import { loadX509Library } from "./x509_library.ts";

/** How long a CRL may be used before its successor must be fetched. */
const CRL_VALIDITY_MS = 30 * 86_400_000;

const CRL_NUMBER_OID = "2.5.29.20";

/** One revoked certificate. */
export interface CrlEntry {
  /** Lower-case hexadecimal. */
  readonly serialNumber: string;
  readonly revocationDate: Date;
  /** Left out of the CRL if undefined. */
  readonly reason: X509CrlReason;
}

/** Who signs a CRL. */
export interface CrlIssuer {
  readonly certificate: X509Certificate;
  readonly key: CryptoKey;
}

/** Makes the entries that revoke `serials` (hexadecimal) as of `now`. */
export async function revokedEntries(
  serials: readonly string[],
  now: Date,
): Promise<CrlEntry[]> {
  const { X509CrlReason } = await loadX509Library();
  return serials.map((serialNumber) => ({
    serialNumber,
    revocationDate: now,
    // We know no more, and the library writes an entry without a reason with
    // an empty list of extensions, which RFC 5280 §5.1 does not allow.
    reason: X509CrlReason.privilegeWithdrawn,
  }));
}

/**
 * Reads the entries of a CRL in PEM that `issuer` signed.
 *
 * @throws {Error} if it is broken, or signed by somebody else.
 */
export async function readOwnEntries(
  crlPem: string,
  issuer: CrlIssuer,
): Promise<CrlEntry[]> {
  const x509 = await loadX509Library();
  const crl = new x509.X509Crl(crlPem);
  if (!await crl.verify({ publicKey: issuer.certificate })) {
    throw new Error("The CRL is signed by another CA");
  }
  return crl.entries.map(({ serialNumber, revocationDate, reason }) => ({
    serialNumber,
    revocationDate,
    reason: reason ?? x509.X509CrlReason.privilegeWithdrawn,
  }));
}

/** Makes a CRL in PEM, as of `now`. A repeated serial counts once. */
export async function signCrl(
  entries: readonly CrlEntry[],
  issuer: CrlIssuer,
  now: Date,
): Promise<string> {
  const x509 = await loadX509Library();
  const bySerial = new Map(
    entries.map((entry) => [entry.serialNumber, entry] as const),
  );
  const crl = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subjectName,
    thisUpdate: now,
    nextUpdate: new Date(now.getTime() + CRL_VALIDITY_MS),
    signingAlgorithm: SIGNING_ALGORITHM,
    signingKey: issuer.key,
    entries: [...bySerial.values()],
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(
        issuer.certificate.publicKey,
      ),
      new x509.Extension(CRL_NUMBER_OID, false, crlNumber(now)),
    ],
  });
  return encodePem(new Uint8Array(crl.rawData), "X509 CRL");
}

/** The clock numbers our CRLs (RFC 5280 §5.2.3): a DER integer. */
function crlNumber(now: Date): Uint8Array<ArrayBuffer> {
  const hex = now.getTime().toString(16);
  // Whole bytes, and a first bit that does not make it negative.
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  const content = /^[89a-f]/.test(digits) ? `00${digits}` : digits;
  const number = Uint8Array.fromHex(content);
  return new Uint8Array([DER_TAGS.integer, number.length, ...number]);
}
