import * as z from "zod/mini";
import { Fault } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import { deviceIdSchema, tunnelIdSchema } from "../protocol/id.ts";

/** What a token lives if nobody says how long: an hour. */
export const TOKEN_TTL_DEFAULT_MS = 60 * 60_000;

/** The longest that it may live: a week, for a disk image on its way. */
export const TOKEN_TTL_MAX_MS = 7 * 24 * 60 * 60_000;

/** The shortest: a program may carry it over. */
export const TOKEN_TTL_MIN_MS = 1_000;

const PREFIX = "mfe1";
const TOKEN_MAX_CHARS = 4_096;
const SECRET_BYTES = 32;

const claimsSchema = z.object({
  /** Which record of the PKI directory it is. */
  id: tunnelIdSchema,
  /** SHA-256 of the CA's SubjectPublicKeyInfo (RFC 7469 §2.4), in hex. */
  pin: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  /** Seconds since 1970. For people: the gateway decides by its own record. */
  expires: z.int().check(z.minimum(0)),
  /** The one device that it is good for. */
  device: z.optional(deviceIdSchema),
  gateway: z.optional(
    z.string().check(
      z.refine((text) => parseGatewayUrl(text, false) !== undefined),
    ),
  ),
});

/** What a token says to everybody who reads it. */
export type EnrollClaims = z.infer<typeof claimsSchema>;

/** The right to get one certificate, once. */
export interface EnrollToken {
  readonly claims: EnrollClaims;
  /** Whoever has it has the right. Never logged, never sent. */
  readonly secret: string;
}

/** Returns a new secret: 256 random bits. */
export function newEnrollSecret(): string {
  return encode(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

/** Returns the text that a person carries: `mfe1.<claims>.<secret>`. */
export function formatEnrollToken({ claims, secret }: EnrollToken): string {
  const text = new TextEncoder().encode(JSON.stringify(claims));
  return `${PREFIX}.${encode(text)}.${secret}`;
}

/**
 * Reads a token as a person has typed or pasted it.
 *
 * @throws {Fault} `usageInvalid` if it is none, or a part of one.
 */
export function parseEnrollToken(text: string): EnrollToken {
  const [prefix, body = "", secret = "", ...more] = text.trim()
    .slice(0, TOKEN_MAX_CHARS).split(".");
  if (prefix !== PREFIX) throw unreadable("it does not begin with mfe1.");
  const claims = claimsOf(body);
  if (!claims || more.length > 0) throw unreadable("its middle part is broken");
  if (decode(secret)?.length !== SECRET_BYTES) {
    throw unreadable("its end is missing, or broken");
  }
  return { claims, secret };
}

function claimsOf(body: string): EnrollClaims | undefined {
  const bytes = decode(body);
  if (!bytes) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return claimsSchema.safeParse(value).data;
  } catch {
    return undefined; // The caller says so, and repeats nothing of it.
  }
}

/** Never a word of the token: it may be good. */
function unreadable(fact: string): Fault {
  return new Fault("usageInvalid", `Cannot read enrolment token: ${fact}`, {
    hint: "Copy the whole line that `migasfree-agent pki token` printed",
  });
}

function encode(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decode(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url" });
  } catch {
    return undefined; // No base64url: the caller says which part.
  }
}
