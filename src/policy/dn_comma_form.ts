import {
  type DnAttribute,
  dnTypeName,
  dnUntrusted,
  unescapeDnValue,
  utf8Value,
} from "./dn_attribute.ts";

/** RFC 4514 §3, with the spaces that RFC 2253 §4 allows around separators. */
const TYPE_REGEXP = / *(?:oid\.)?([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= */iy;
const VALUE_REGEXP =
  // deno-lint-ignore no-control-regex
  /(?:\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\]|[^"+,;<>\\\u0000])*/y;

/** RFC 4514 §2.4: two hexadecimal digits, or the character itself. */
const ESCAPE_REGEXP = /\\(?:([0-9A-Fa-f]{2})|(.))/g;

const HEX_REGEXP = /^#((?:[0-9A-Fa-f]{2})+) *$/;
/** UTF8String, PrintableString, IA5String (X.680 §8.6). */
const STRING_TAGS: readonly number[] = [0x0c, 0x13, 0x16];
/** A shorter value has its length in one byte (X.690 §8.1.3.4). */
const LONG_VALUE_BYTES = 0x80;

/** What the canonical form begins with. */
const FIRST_TYPES = ["CN", "OU", "O"];

/**
 * Reads the form of RFC 4514, `CN=x,OU=COMPUTERS,O=mf.test`; of multi-valued
 * names (`+`) the grouping is dropped.
 *
 * @throws {Fault} `certificateUntrusted` if `text` is not in that form.
 */
export function parseCommaForm(text: string): DnAttribute[] {
  const attributes: DnAttribute[] = [];
  let at = 0;
  for (;;) {
    TYPE_REGEXP.lastIndex = at;
    const type = TYPE_REGEXP.exec(text)?.[1];
    if (type === undefined) throw dnUntrusted("has text that is no attribute");
    VALUE_REGEXP.lastIndex = TYPE_REGEXP.lastIndex;
    const raw = VALUE_REGEXP.exec(text)?.[0] ?? "";
    at = VALUE_REGEXP.lastIndex;
    attributes.push({ type: dnTypeName(type), value: readValue(raw) });
    if (at === text.length) return attributes;
    if (text[at] !== "," && text[at] !== "+") {
      throw dnUntrusted("has a character that must be escaped");
    }
    at++;
  }
}

/**
 * Prints `attributes` in the form of RFC 4514 so that equal names give equal
 * text: CN, OU, O first, then the other types by name, equal types by value.
 */
export function formatCommaForm(attributes: readonly DnAttribute[]): string {
  return attributes
    .map(({ type, value }) => {
      const first = FIRST_TYPES.indexOf(type);
      const rank = first < 0 ? FIRST_TYPES.length : first;
      return { rank, type, value };
    })
    .sort((one, other) =>
      one.rank - other.rank || compare(one.type, other.type) ||
      compare(one.value, other.value)
    )
    .map(({ type, value }) => `${type}=${escapeValue(value)}`)
    .join(",");
}

function readValue(raw: string): string {
  if (raw.startsWith("#")) return readHexValue(raw);
  let end = raw.length;
  while (end > 0 && raw[end - 1] === " ") end--;
  const [backslashes = ""] = /\\*$/.exec(raw.slice(0, end)) ?? [];
  if (backslashes.length % 2 === 1) end++; // the space after it is escaped
  return unescapeDnValue(raw.slice(0, end), ESCAPE_REGEXP);
}

/** Reads a value that is a string's DER in hexadecimal (RFC 4514 §2.4). */
function readHexValue(raw: string): string {
  const [, hex] = HEX_REGEXP.exec(raw) ?? [];
  if (hex === undefined) throw dnUntrusted("has a broken #value");
  const bytes = Uint8Array.fromHex(hex);
  const [tag = 0, length] = bytes;
  if (
    !STRING_TAGS.includes(tag) || length !== bytes.length - 2 ||
    length >= LONG_VALUE_BYTES
  ) {
    throw dnUntrusted("has a #value that is no short text");
  }
  return utf8Value(bytes.subarray(2));
}

/** By code unit: a locale must not decide which names are the same. */
function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function escapeValue(value: string): string {
  return value.replace(/["+,;<>\\]|^[ #]| $/g, "\\$&");
}
