import { z } from "zod";
import { Fault } from "./fault.ts";
import { deviceIdSchema, serviceNameSchema, tunnelIdSchema } from "./id.ts";
import { RESUME_TOKEN_MAX_CHARS } from "./limits.ts";

/** Bytes of the key that signs tokens. */
export const RESUME_KEY_BYTES = 32;

/** Whatever a certificate says: the token as a whole has its limit. */
const nameSchema = z.string().max(RESUME_TOKEN_MAX_CHARS);

const claimsSchema = z.object({
  tunnel: tunnelIdSchema,
  /** Which end it is. */
  role: z.enum(["agent", "operator"]),
  /** Canonical subject of the certificate that may show the token. */
  subject: nameSchema,
  device: deviceIdSchema,
  service: serviceNameSchema,
  /** Which start of the agent the tunnel belongs to, if it says. */
  instance: tunnelIdSchema.optional(),
  /** The operator's name and subject, for the audit of a later gateway. */
  operator: nameSchema,
  operator_subject: nameSchema,
});

/** What a resume token says; only a gateway with the key can make it. */
export type ResumeClaims = z.infer<typeof claimsSchema>;

/**
 * Makes and reads the tokens with which the two ends of a tunnel come back:
 * claims and an HMAC-SHA-256 of them (RFC 2104), each in base64url. A gateway
 * keeps nothing of them: any one that has the key can read them.
 */
export class ResumeTokens {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** @param secret RESUME_KEY_BYTES random bytes. */
  static async create(secret: Uint8Array<ArrayBuffer>): Promise<ResumeTokens> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", secret, algorithm, false, [
      "sign",
      "verify",
    ]);
    return new ResumeTokens(key);
  }

  async issue(claims: ResumeClaims): Promise<string> {
    const body = new TextEncoder().encode(JSON.stringify(claims));
    const mac = await crypto.subtle.sign("HMAC", this.#key, body);
    return `${encode(body)}.${encode(new Uint8Array(mac))}`;
  }

  /** @throws {Fault} `ticketInvalid` if no gateway with our key made it. */
  async read(token: string): Promise<ResumeClaims> {
    const [body, mac, ...more] = token.length > RESUME_TOKEN_MAX_CHARS
      ? []
      : token.split(".").map(decode);
    // The comparison inside takes the same time for every wrong one.
    const isOurs = body && mac && more.length === 0 &&
      await crypto.subtle.verify("HMAC", this.#key, mac, body);
    const claims = isOurs
      ? claimsOf(new TextDecoder().decode(body))
      : undefined;
    if (!claims) throw invalid();
    return claims;
  }
}

function claimsOf(text: string): ResumeClaims | undefined {
  try {
    return claimsSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Of a gateway with our key that means something else.
  }
}

function encode(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    // Of the spellings that say the same, ours is the one that we wrote.
    return encode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined; // Not ours: the caller says so.
  }
}

function invalid(): Fault {
  return new Fault("ticketInvalid", "Cannot resume: the token is not valid", {
    hint: "Open a new tunnel",
  });
}
