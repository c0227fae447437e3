import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import {
  decodeUtf8,
  type DnAttribute,
  dnTypeName,
  dnUntrusted,
} from "./dn_attribute.ts";
import { formatCommaForm, parseCommaForm } from "./dn_comma_form.ts";
import { parseSlashForm } from "./dn_slash_form.ts";

/** Longest distinguished name that is read. Ours to choose. */
export const DN_MAX_CHARS = 4096;

/** Most attributes of one distinguished name. Ours to choose. */
export const DN_ATTRIBUTES_MAX_COUNT = 64;

/** Who is at the other end, as its certificate says. */
export interface Principal {
  readonly role: "agent" | "operator";
  /** The CN. Hostile text: bounded and free of controls, no more. */
  readonly name: string;
  /**
   * The whole name in one form, fit to be compared and stored: RFC 4514 with
   * CN, OU, O first, then the other types by name, equal types by value. The
   * form, order and grouping that it came in make no difference.
   */
  readonly subject: string;
}

// deno-lint-ignore no-control-regex
const CONTROL_REGEXP = /[\u0000-\u001f\u007f-\u009f]/;

// deno-lint-ignore no-control-regex
const ASCII_REGEXP = /^[\u0000-\u007f]*$/;

/**
 * Reads a distinguished name as a proxy passes it on, in the order of the
 * text: the slash form of OpenSSL and HAProxy (`/O=mf.test/OU=COMPUTERS/CN=x`)
 * or the comma form of RFC 4514 (`CN=x,OU=COMPUTERS,O=mf.test`).
 *
 * UTF-8 may come as one character per byte, as HTTP headers do.
 *
 * @throws {Fault} `certificateUntrusted` if `text` is in neither form, longer
 * than {@linkcode DN_MAX_CHARS}, of more attributes than
 * {@linkcode DN_ATTRIBUTES_MAX_COUNT}, or has controls in a value.
 */
export function parseDn(text: string): DnAttribute[] {
  if (text.length > DN_MAX_CHARS) throw tooLong();
  const decoded = headerText(text);
  return checked(
    decoded.startsWith("/") ? parseSlashForm(decoded) : parseCommaForm(decoded),
  );
}

/**
 * Makes the attributes of a certificate's subject that a TLS library gives as
 * an object: one text per type, or a list for a type that comes repeatedly.
 *
 * @throws {Fault} `certificateUntrusted` if it breaks a bound that
 * {@linkcode parseDn} keeps.
 */
export function subjectAttributes(
  subject: Readonly<Record<string, string | readonly string[] | undefined>>,
): DnAttribute[] {
  const attributes = Object.entries(subject).flatMap(([type, values = []]) =>
    (typeof values === "string" ? [values] : values)
      .map((value) => ({ type: dnTypeName(type), value }))
  );
  let lengthChars = 0;
  for (const { type, value } of attributes) {
    lengthChars += type.length + value.length;
  }
  if (lengthChars > DN_MAX_CHARS) throw tooLong();
  return checked(attributes);
}

/**
 * Decides who somebody is by the name in a certificate that was verified
 * before: exactly one OU is, as a whole and in any case, `COMPUTERS` (an
 * agent) or `ADMINS` (an operator), and exactly one CN names them.
 *
 * @param attributes As {@linkcode parseDn} or {@linkcode subjectAttributes}
 * gives them.
 * @throws {Fault} `roleRefused` if no OU names a role, several do, the CN is
 * missing, repeated or longer than {@linkcode OPERATOR_NAME_MAX_CHARS}, or an
 * attribute is doubtful: a CN of `ana/L=x` must not pass for `ana`.
 */
export function principalOf(attributes: readonly DnAttribute[]): Principal {
  const [unit, ...others] = attributes.filter((attribute) => roleOf(attribute));
  const role = unit && roleOf(unit);
  if (unit === undefined || role === undefined) {
    throw refused("no OU of its name is COMPUTERS or ADMINS");
  }
  if (others.length > 0) throw refused("several OUs of its name say a role");
  const doubtful = attributes.find((attribute) => attribute.doubtful);
  if (doubtful) {
    throw refused(
      `its ${plainText(doubtful.type, 32)} may be part of the value before it`,
    );
  }
  const names = attributes.filter(({ type }) => type === "CN");
  if (names.length > 1) throw refused("its name has several CNs");
  const name = names[0]?.value ?? "";
  if (name.trim() === "") throw refused("its name has no CN");
  if (name.length > OPERATOR_NAME_MAX_CHARS) {
    throw refused(`its CN exceeds ${OPERATOR_NAME_MAX_CHARS} characters`);
  }
  return { role, name, subject: formatCommaForm(attributes) };
}

function roleOf({ type, value }: DnAttribute): Principal["role"] | undefined {
  if (type !== "OU") return undefined;
  // Without the u flag, i folds no other letter onto those of ASCII.
  if (/^computers$/i.test(value)) return "agent";
  if (/^admins$/i.test(value)) return "operator";
  return undefined;
}

/** HTTP gives each byte of a header as one character (RFC 9110 §5.5). */
function headerText(text: string): string {
  // As nearly all names are: what follows makes an object of each character.
  if (ASCII_REGEXP.test(text)) return text;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const isBytes = bytes.length === text.length &&
    bytes.every((byte, at) => byte === text.charCodeAt(at));
  return isBytes ? decodeUtf8(bytes) ?? text : text;
}

function checked(attributes: DnAttribute[]): DnAttribute[] {
  if (attributes.length > DN_ATTRIBUTES_MAX_COUNT) {
    throw dnUntrusted(`has more than ${DN_ATTRIBUTES_MAX_COUNT} attributes`);
  }
  for (const { value } of attributes) {
    if (CONTROL_REGEXP.test(value) || !value.isWellFormed()) {
      throw dnUntrusted("has characters that no name has");
    }
  }
  return attributes;
}

function tooLong(): Fault {
  return dnUntrusted(`is longer than ${DN_MAX_CHARS} characters`);
}

function refused(fact: string): Fault {
  return new Fault("roleRefused", `Cannot tell role of certificate: ${fact}`, {
    hint: "Use a certificate whose subject is O, OU (COMPUTERS or ADMINS), CN",
  });
}
