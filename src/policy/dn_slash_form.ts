import {
  type DnAttribute,
  dnTypeName,
  dnUntrusted,
  unescapeDnValue,
} from "./dn_attribute.ts";

/** Types that the authority fills in, so no holder can hide an OU in them. */
const ORGANISATION_TYPES = new Set(["C", "ST", "L", "STREET", "DC", "O", "OU"]);

/** A slash begins an attribute only if a type and `=` follow. */
const ATTRIBUTE_REGEXP = /\/(?=(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)=)/;

/** OpenSSL escapes the bytes outside space to tilde, and no others. */
const ESCAPE_REGEXP = /\\x([0-9A-F]{2})/gi;
const STRAY_REGEXP = /\\(?!x(?:[018-9A-F][0-9A-F]|7F))/i;

/**
 * Reads the form that OpenSSL's oneline print and HAProxy give,
 * `/O=mf.test/OU=COMPUTERS/CN=x`.
 *
 * It does not say if a `/OU=` begins an attribute or belongs to the value
 * before it, so each attribute that follows a value which the holder of the
 * certificate may have chosen is marked doubtful.
 *
 * @throws {Fault} `certificateUntrusted` if `text` does not begin with an
 * attribute, or has a backslash that is no escape of OpenSSL's.
 */
export function parseSlashForm(text: string): DnAttribute[] {
  const [before, ...parts] = text.split(ATTRIBUTE_REGEXP);
  if (before !== "") throw dnUntrusted("does not begin with an attribute");
  let doubtful = false;
  return parts.map((part) => {
    const cut = part.indexOf("=");
    const type = dnTypeName(part.slice(0, cut));
    const raw = part.slice(cut + 1);
    // HAProxy escapes nothing and OpenSSL leaves a backslash as it is: what
    // one of them meant literally must not be read as somebody else's name.
    if (STRAY_REGEXP.test(raw)) throw dnUntrusted("has a stray backslash");
    const value = unescapeDnValue(raw, ESCAPE_REGEXP);
    const attribute = doubtful ? { type, value, doubtful } : { type, value };
    if (!ORGANISATION_TYPES.has(type)) doubtful = true;
    return attribute;
  });
}
