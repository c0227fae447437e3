import { verify, X509Certificate } from "node:crypto";
import { Fault } from "../protocol/fault.ts";
import { type Crl, readCrl } from "./crl.ts";
import { readBytes } from "./files.ts";
import { decodePem } from "./pem.ts";
import { readCertificateId, readSubjectKey } from "./x509_fields.ts";

/** Which certificates were revoked, over all CRLs that were loaded. */
export interface RevocationList {
  /**
   * When the first of the CRLs should be followed by a new one, in
   * milliseconds since 1970; undefined if none says. Later than that the list
   * is still honoured, but somebody should be warned.
   */
  readonly nextUpdateMs: number | undefined;
  /** How many certificates were revoked. */
  readonly revokedCount: number;
  /**
   * Returns whether any CRL of its issuer names this certificate, in DER.
   *
   * @throws {Fault} `certificateUntrusted` if it is no certificate.
   */
  isRevoked(certificate: Uint8Array): boolean;
}

/** A CRL's signature algorithm by its OID in hexadecimal => hash. */
const HASHES: ReadonlyMap<string, string | undefined> = new Map([
  ["2a864886f70d01010b", "sha256"], // sha256WithRSAEncryption, RFC 4055 §5
  ["2a864886f70d01010c", "sha384"],
  ["2a864886f70d01010d", "sha512"],
  ["2a8648ce3d040302", "sha256"], // ecdsa-with-SHA256, RFC 5758 §3.2
  ["2a8648ce3d040303", "sha384"],
  ["2a8648ce3d040304", "sha512"],
  ["2b6570", undefined], // Ed25519 hashes by itself, RFC 8410 §3
]);

/**
 * Loads the CRLs in `files`; each may hold several in PEM, or one in DER.
 * Several of one issuer count together, in one file or in many: migasfree's
 * `crl.pem` is one CRL for operators and one for computers of one authority.
 *
 * A list that is overdue still counts. What nobody lists is not revoked.
 *
 * @param caPem The authorities' certificates.
 * @throws {Fault} `configInvalid` if a file cannot be read, holds no CRL, or
 * one that is broken, has a critical extension or is signed by none of the
 * authorities.
 */
export async function loadRevocationList(
  files: readonly string[],
  caPem: string,
): Promise<RevocationList> {
  const authorities = readAuthorities(caPem);
  const revoked = new Map<string, Set<string>>();
  let nextUpdateMs: number | undefined;
  for (const file of files) {
    const bytes = await readBytes(file, "revocation list");
    for (const crl of readCrls(bytes, file)) {
      checkSignature(crl, authorities, file);
      const serials = revoked.get(crl.issuerKey) ?? new Set();
      revoked.set(crl.issuerKey, serials);
      for (const serial of crl.serialKeys) serials.add(serial);
      nextUpdateMs = earlier(nextUpdateMs, crl.nextUpdateMs);
    }
  }
  let revokedCount = 0;
  for (const serials of revoked.values()) revokedCount += serials.size;
  return {
    nextUpdateMs,
    revokedCount,
    isRevoked: (certificate) => isListed(certificate, revoked),
  };
}

function isListed(
  certificate: Uint8Array,
  revoked: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  try {
    const { issuerKey, serialKey } = readCertificateId(certificate);
    return revoked.get(issuerKey)?.has(serialKey) ?? false;
  } catch (cause) {
    throw new Fault(
      "certificateUntrusted",
      "Cannot look up certificate in the revocation list: it is broken",
      { hint: "Ask for a new certificate", cause },
    );
  }
}

interface Authority {
  readonly nameKey: string;
  readonly certificate: X509Certificate;
}

function readAuthorities(caPem: string): Authority[] {
  try {
    const authorities = decodePem(caPem, "CERTIFICATE").map((raw) => ({
      nameKey: readSubjectKey(raw),
      certificate: new X509Certificate(raw),
    }));
    if (authorities.length > 0) return authorities;
    throw new Error("There is no certificate in PEM");
  } catch (cause) {
    throw new Fault(
      "configInvalid",
      "Cannot read certificates of the authorities: they are not in PEM",
      { hint: "Set client_ca_file to the CA's certificate in PEM", cause },
    );
  }
}

function readCrls(bytes: Uint8Array, file: string): Crl[] {
  try {
    const text = new TextDecoder("latin1").decode(bytes);
    const ders = text.includes("-----BEGIN")
      ? decodePem(text, "X509 CRL")
      : [bytes];
    if (ders.length === 0) throw new Error("There is no CRL in PEM");
    return ders.map(readCrl);
  } catch (cause) {
    throw new Fault(
      "configInvalid",
      `Cannot read revocation list: ${file} holds none, or one that is broken`,
      { hint: "Publish complete CRLs of the CA, in PEM or DER", cause },
    );
  }
}

function checkSignature(
  crl: Crl,
  authorities: readonly Authority[],
  file: string,
): void {
  const isKnown = HASHES.has(crl.algorithmHex);
  const hash = HASHES.get(crl.algorithmHex);
  const isSigned = isKnown &&
    authorities.some(({ nameKey, certificate }) =>
      nameKey === crl.issuerKey && isSignedBy(crl, hash, certificate)
    );
  if (isSigned) return;
  const fact = isKnown
    ? "is signed by none of the CAs"
    : `is signed with an algorithm that is not supported (OID ${crl.algorithmHex})`;
  throw new Fault(
    "configInvalid",
    `Cannot trust revocation list: one in ${file} ${fact}`,
    { hint: "Fetch the CRL again, or add its issuer to client_ca_file" },
  );
}

function isSignedBy(
  crl: Crl,
  hash: string | undefined,
  { publicKey }: X509Certificate,
): boolean {
  try {
    return verify(hash, crl.signed, publicKey, crl.signature);
  } catch {
    return false; // the key is of a kind that cannot make such a signature
  }
}

function earlier(
  one: number | undefined,
  other: number | undefined,
): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
