import { DER_TAGS, DerReader } from "./der.ts";
import { decodePem } from "./pem.ts";
import { readPublicKeyBits } from "./x509_fields.ts";

/**
 * Returns whether `key` is plainly the one of the first certificate in `cert`:
 * nearly every file of a private key repeats the public one, and the two are
 * compared. PEM texts; PKCS #1 (RFC 8017 §A.1), SEC 1 (RFC 5915) or PKCS #8
 * (RFC 5958).
 *
 * False says nothing: `node:crypto` decides then. It is not asked first, for
 * it is 1.2 MB more of an agent that is idle.
 */
export function isPlainPair(cert: string, key: string): boolean {
  try {
    const [raw] = decodePem(cert, "CERTIFICATE");
    const compare = comparisonOf(key);
    if (raw === undefined || compare === undefined) return false;
    return compare(readPublicKeyBits(raw));
  } catch {
    return false; // Whoever decides says what is wrong with it.
  }
}

/** Says whether the public key is what the private one repeats. */
type Compare = (publicBits: Uint8Array) => boolean;

/** Returns undefined for a kind of key that is seldom. */
function comparisonOf(pem: string): Compare | undefined {
  const [pkcs1] = decodePem(pem, "RSA PRIVATE KEY");
  if (pkcs1) return (bits) => isSameRsa(bits, pkcs1);
  const [sec1] = decodePem(pem, "EC PRIVATE KEY");
  if (sec1) return (bits) => isSamePoint(bits, sec1);
  const [pkcs8] = decodePem(pem, "PRIVATE KEY");
  if (!pkcs8) return undefined;
  const fields = new DerReader(pkcs8).enter(DER_TAGS.sequence);
  fields.read(DER_TAGS.integer); // version
  const { content } = fields.enter(DER_TAGS.sequence).read(DER_TAGS.oid);
  const inside = fields.read(DER_TAGS.octetString).content;
  const compare = COMPARISONS.get(content.toHex());
  return compare && ((bits) => compare(bits, inside));
}

function isSameRsa(publicBits: Uint8Array, raw: Uint8Array): boolean {
  const ours = new DerReader(raw).enter(DER_TAGS.sequence);
  ours.read(DER_TAGS.integer); // version
  const theirs = new DerReader(publicBits).enter(DER_TAGS.sequence);
  const isSame = () =>
    ours.read(DER_TAGS.integer).content.toHex() ===
      theirs.read(DER_TAGS.integer).content.toHex();
  return isSame() && isSame(); // modulus, exponent
}

function isSamePoint(publicBits: Uint8Array, raw: Uint8Array): boolean {
  const ours = new DerReader(raw).enter(DER_TAGS.sequence);
  ours.read(DER_TAGS.integer); // version
  ours.read(DER_TAGS.octetString); // private key
  if (ours.nextTag === DER_TAGS.context0) ours.read(DER_TAGS.context0);
  const point = ours.enter(DER_TAGS.context1).read(DER_TAGS.bitString);
  return point.content.subarray(1).toHex() === publicBits.toHex();
}

/** By object identifier (RFC 3279 §2.3.1, RFC 5480 §2.1.1). */
const COMPARISONS: ReadonlyMap<
  string,
  (publicBits: Uint8Array, raw: Uint8Array) => boolean
> = new Map([
  ["2a864886f70d010101", isSameRsa], // rsaEncryption
  ["2a8648ce3d0201", isSamePoint], // id-ecPublicKey
]);
