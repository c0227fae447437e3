import { Fault } from "../protocol/fault.ts";

/** One part of a distinguished name, `OU=ADMINS` for one. */
export interface DnAttribute {
  /** `CN`, `OU`, `O`…: one spelling, whatever alias or OID it came as. */
  readonly type: string;
  readonly value: string;
  /**
   * It may be no attribute but the tail of a value before it, which the slash
   * form does not escape. Nobody is believed whose name has such a part.
   */
  readonly doubtful?: true;
}

/** Aliases and OIDs, in lower case, of the types that we name (RFC 4519 §2). */
const TYPE_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    CN: ["cn", "commonname", "2.5.4.3"],
    OU: ["ou", "organizationalunitname", "organizationalunit", "2.5.4.11"],
    O: ["o", "organizationname", "organization", "2.5.4.10"],
    C: ["c", "countryname", "country", "2.5.4.6"],
    ST: ["st", "s", "sp", "stateorprovincename", "2.5.4.8"],
    L: ["l", "localityname", "locality", "2.5.4.7"],
    STREET: ["street", "streetaddress", "2.5.4.9"],
    DC: ["dc", "domaincomponent", "0.9.2342.19200300.100.1.25"],
    UID: ["uid", "userid", "0.9.2342.19200300.100.1.1"],
    SN: ["sn", "surname", "2.5.4.4"],
    GN: ["gn", "givenname", "2.5.4.42"],
    serialNumber: ["serialnumber", "2.5.4.5"],
    emailAddress: ["emailaddress", "email", "e", "1.2.840.113549.1.9.1"],
  }).flatMap(([name, aliases]) => aliases.map((alias) => [alias, name])),
);

/** Returns the one spelling of an attribute's type. */
export function dnTypeName(type: string): string {
  return TYPE_NAMES.get(type.toLowerCase()) ?? type.toUpperCase();
}

/**
 * Replaces each escape in `raw`; the bytes that escapes stand for and the
 * text around them are UTF-8 together.
 *
 * @param escapeRegexp Global; its first group is two hexadecimal digits, or
 * its second the character itself.
 * @throws {Fault} `certificateUntrusted` if the bytes are no UTF-8.
 */
export function unescapeDnValue(raw: string, escapeRegexp: RegExp): string {
  if (!raw.includes("\\")) return raw;
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  let at = 0;
  for (const match of raw.matchAll(escapeRegexp)) {
    const [escape, hex, character = ""] = match;
    bytes.push(...encoder.encode(raw.slice(at, match.index) + character));
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    at = match.index + escape.length;
  }
  bytes.push(...encoder.encode(raw.slice(at)));
  return utf8Value(Uint8Array.from(bytes));
}

/** @throws {Fault} `certificateUntrusted` if `bytes` are no UTF-8. */
export function utf8Value(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw dnUntrusted("has bytes that are no UTF-8");
  return text;
}

/** Returns undefined if `bytes` are no UTF-8. A byte order mark stays. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    return undefined; // a TypeError without detail is all that it says
  }
}

/** A `certificateUntrusted` fault about the name in a certificate. */
export function dnUntrusted(fact: string): Fault {
  return new Fault(
    "certificateUntrusted",
    `Cannot read name in certificate: it ${fact}`,
    { hint: "Issue a certificate whose subject is O, OU and CN in plain text" },
  );
}
