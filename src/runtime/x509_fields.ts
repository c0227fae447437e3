import { DER_TAGS, type DerElement, DerReader } from "./der.ts";
import { readDerTime } from "./der_time.ts";

/** What names one certificate among all (RFC 5280 §4.1.2.2). */
export interface CertificateId {
  /** As {@linkcode nameKey} gives it. */
  readonly issuerKey: string;
  /** As {@linkcode serialKey} gives it. */
  readonly serialKey: string;
}

/**
 * Reads issuer and serial number of a certificate in DER.
 *
 * @throws {Error} if it is none.
 */
export function readCertificateId(raw: Uint8Array): CertificateId {
  const fields = readTbsCertificate(raw);
  const serial = fields.read(DER_TAGS.integer);
  fields.read(DER_TAGS.sequence); // signature algorithm
  const issuer = fields.read(DER_TAGS.sequence);
  return { issuerKey: nameKey(issuer), serialKey: serialKey(serial) };
}

/** From when until when a certificate may be used; ms since 1970. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Reads the dates of a certificate in DER. @throws {Error} if it is none. */
export function readValidity(raw: Uint8Array): Validity {
  const fields = readTbsCertificate(raw);
  fields.read(DER_TAGS.integer); // serial number
  fields.read(DER_TAGS.sequence); // signature algorithm
  fields.read(DER_TAGS.sequence); // issuer
  const validity = fields.enter(DER_TAGS.sequence);
  const notBeforeMs = readDerTime(validity);
  return { notBeforeMs, notAfterMs: readDerTime(validity) };
}

/**
 * Returns the bits of a certificate's public key: of RSA a sequence of modulus
 * and exponent, of a curve the point (RFC 5280 §4.1.2.7).
 *
 * @throws {Error} if it is no certificate.
 */
export function readPublicKeyBits(raw: Uint8Array): Uint8Array {
  const fields = readTbsCertificate(raw);
  fields.read(DER_TAGS.integer); // serial number
  fields.read(DER_TAGS.sequence); // signature algorithm
  fields.read(DER_TAGS.sequence); // issuer
  fields.read(DER_TAGS.sequence); // validity
  fields.read(DER_TAGS.sequence); // subject
  const keyInfo = fields.enter(DER_TAGS.sequence);
  keyInfo.read(DER_TAGS.sequence); // algorithm
  return keyInfo.read(DER_TAGS.bitString).content.subarray(1);
}

/**
 * Reads the subject of a certificate in DER, as {@linkcode nameKey}.
 *
 * @throws {Error} if it is none.
 */
export function readSubjectKey(raw: Uint8Array): string {
  const fields = readTbsCertificate(raw);
  fields.read(DER_TAGS.integer); // serial number
  fields.read(DER_TAGS.sequence); // signature algorithm
  fields.read(DER_TAGS.sequence); // issuer
  fields.read(DER_TAGS.sequence); // validity
  return nameKey(fields.read(DER_TAGS.sequence));
}

/**
 * Returns a text that is equal for names which are the same to a verifier:
 * it does not matter in what type of string a part is written, nor the case
 * of ASCII letters, nor how much white space there is (RFC 5280 §7.1). A
 * comparison of bytes would miss a revoked certificate whose issuer is
 * written otherwise than in the CRL.
 */
export function nameKey(name: DerElement): string {
  const parts: string[][] = [];
  const sets = new DerReader(name.content);
  while (sets.nextTag !== undefined) {
    const set = sets.enter(DER_TAGS.set);
    const part: string[] = [];
    while (set.nextTag !== undefined) {
      const attribute = set.enter(DER_TAGS.sequence);
      const type = attribute.read(DER_TAGS.oid).content.toHex();
      const value = attribute.read(attribute.nextTag ?? DER_TAGS.utf8String);
      part.push(`${type}=${valueKey(value)}`);
    }
    parts.push(part.sort());
  }
  return JSON.stringify(parts);
}

/** Returns a text that is equal for equal numbers: two's complement in hex. */
export function serialKey(serial: DerElement): string {
  let bytes = serial.content;
  // A zero that is not needed to show that the number is positive.
  while (bytes.length > 1 && bytes[0] === 0 && (bytes[1] ?? 0) < 0x80) {
    bytes = bytes.subarray(1);
  }
  return bytes.toHex();
}

function readTbsCertificate(raw: Uint8Array): DerReader {
  const fields = new DerReader(raw).enter(DER_TAGS.sequence)
    .enter(DER_TAGS.sequence);
  if (fields.nextTag === DER_TAGS.context0) fields.read(DER_TAGS.context0);
  return fields;
}

function valueKey(value: DerElement): string {
  const text = stringValue(value);
  if (text === undefined) return `#${value.whole.toHex()}`;
  return text
    .replace(/^[ \t-\r]+|[ \t-\r]+$/g, "")
    .replace(/[ \t-\r]+/g, " ")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Returns undefined if the value is no string. */
function stringValue({ tag, content }: DerElement): string | undefined {
  switch (tag) {
    case DER_TAGS.utf8String:
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
    case DER_TAGS.numericString:
    case DER_TAGS.printableString:
    case DER_TAGS.ia5String:
    case DER_TAGS.visibleString:
    case DER_TAGS.teletexString: // every verifier reads it as ISO 8859-1
      return codeUnits(content, 1);
    case DER_TAGS.bmpString:
      return codeUnits(content, 2);
    case DER_TAGS.universalString:
      return codeUnits(content, 4);
    default:
      return undefined;
  }
}

/** Reads big-endian characters of `widthBytes` each. */
function codeUnits(content: Uint8Array, widthBytes: 1 | 2 | 4): string {
  let text = "";
  for (let at = 0; at + widthBytes <= content.length; at += widthBytes) {
    let code = 0;
    for (const byte of content.subarray(at, at + widthBytes)) {
      code = code * 256 + byte;
    }
    text += code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  }
  return text;
}
