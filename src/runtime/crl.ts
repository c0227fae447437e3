import { DER_TAGS, DerReader } from "./der.ts";
import { readDerTime } from "./der_time.ts";
import { nameKey, serialKey } from "./x509_fields.ts";

/** A certificate revocation list, read but not verified. */
export interface Crl {
  /** As `nameKey()` gives it. */
  readonly issuerKey: string;
  /** As `serialKey()` gives them. */
  readonly serialKeys: readonly string[];
  /** Milliseconds since 1970; undefined if the list does not say. */
  readonly nextUpdateMs: number | undefined;
  /** What is signed, by which algorithm (an OID in hexadecimal), and how. */
  readonly signed: Uint8Array;
  readonly algorithmHex: string;
  readonly signature: Uint8Array;
}

/**
 * Reads a CRL (RFC 5280 §5.1) in DER.
 *
 * @throws {Error} if it is none, or has a critical extension: such a list
 * means something else than its entries say (RFC 5280 §5.2), a delta or
 * another issuer's certificates for example, and we know none of them.
 */
export function readCrl(der: Uint8Array): Crl {
  const file = new DerReader(der);
  const list = file.enter(DER_TAGS.sequence);
  file.end();
  const signed = list.read(DER_TAGS.sequence);
  const algorithm = list.read(DER_TAGS.sequence);
  const bits = list.read(DER_TAGS.bitString).content;
  list.end();
  // Signatures are whole bytes; the count before them is not signed.
  if (bits[0] !== 0) throw new Error("CRL has a broken signature");

  const fields = new DerReader(signed.content);
  if (fields.nextTag === DER_TAGS.integer) fields.read(DER_TAGS.integer);
  const inner = fields.read(DER_TAGS.sequence);
  // RFC 5280 §5.1.1.2: only one of the two is signed, so they must agree.
  if (inner.whole.toHex() !== algorithm.whole.toHex()) {
    throw new Error("CRL names two signature algorithms");
  }
  const issuerKey = nameKey(fields.read(DER_TAGS.sequence));
  readDerTime(fields);
  const nextUpdateMs = isTime(fields.nextTag) ? readDerTime(fields) : undefined;
  const serialKeys = fields.nextTag === DER_TAGS.sequence
    ? readEntries(fields.enter(DER_TAGS.sequence))
    : [];
  if (fields.nextTag === DER_TAGS.context0) {
    refuseCritical(fields.enter(DER_TAGS.context0));
  }
  fields.end();
  return {
    issuerKey,
    serialKeys,
    nextUpdateMs,
    signed: signed.whole,
    algorithmHex: new DerReader(algorithm.content).read(DER_TAGS.oid)
      .content.toHex(),
    signature: bits.subarray(1),
  };
}

function readEntries(entries: DerReader): string[] {
  const serialKeys: string[] = [];
  while (entries.nextTag !== undefined) {
    const entry = entries.enter(DER_TAGS.sequence);
    serialKeys.push(serialKey(entry.read(DER_TAGS.integer)));
    readDerTime(entry);
    if (entry.nextTag !== undefined) refuseCritical(entry);
    entry.end();
  }
  return serialKeys;
}

/** Reads a list of extensions and throws if one of them is critical. */
function refuseCritical(reader: DerReader): void {
  const extensions = reader.enter(DER_TAGS.sequence);
  while (extensions.nextTag !== undefined) {
    const extension = extensions.enter(DER_TAGS.sequence);
    const oid = extension.read(DER_TAGS.oid).content.toHex();
    if (extension.nextTag !== DER_TAGS.boolean) continue;
    if (extension.read(DER_TAGS.boolean).content[0] !== 0) {
      throw new Error(`CRL has a critical extension, OID ${oid}`);
    }
  }
}

function isTime(tag: number | undefined): boolean {
  return tag === DER_TAGS.utcTime || tag === DER_TAGS.generalizedTime;
}
