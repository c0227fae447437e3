import * as z from "zod/mini";
import { Fault } from "./fault.ts";
import { deviceIdSchema, serviceNameSchema, tunnelIdSchema } from "./id.ts";
import { DETACH_MAX_MS, RESUME_TOKEN_MAX_CHARS } from "./limits.ts";
import { SignedTexts, SIGNING_KEY_BYTES } from "./signed_text.ts";

/** Bytes of the key that signs tokens. */
export const RESUME_KEY_BYTES = SIGNING_KEY_BYTES;

/** Whatever a certificate says: the token as a whole has its limit. */
const nameSchema = z.string().check(z.maxLength(RESUME_TOKEN_MAX_CHARS));

const claimsSchema = z.object({
  tunnel: tunnelIdSchema,
  /** Which end it is. */
  role: z.enum(["agent", "operator"]),
  /** Canonical subject of the certificate that may show the token. */
  subject: nameSchema,
  device: deviceIdSchema,
  service: serviceNameSchema,
  /** Which start of the agent the tunnel belongs to, if it says. */
  instance: z.optional(tunnelIdSchema),
  /** What the gateway that joined them first said that they wait. */
  detach_ms: z.optional(z.int().check(z.minimum(0), z.maximum(DETACH_MAX_MS))),
  /** The operator's name and subject, for the audit of a later gateway. */
  operator: nameSchema,
  operator_subject: nameSchema,
});

/** What a resume token says; only a gateway with the key can make it. */
export type ResumeClaims = z.infer<typeof claimsSchema>;

/**
 * Makes and reads the tokens with which the two ends of a tunnel come back:
 * claims, signed. A gateway keeps nothing of them: any one that has the key
 * can read them.
 */
export class ResumeTokens {
  readonly #texts: SignedTexts;

  private constructor(texts: SignedTexts) {
    this.#texts = texts;
  }

  /** @param secret RESUME_KEY_BYTES random bytes. */
  static async create(secret: Uint8Array<ArrayBuffer>): Promise<ResumeTokens> {
    return new ResumeTokens(await SignedTexts.create(secret));
  }

  /** Issues with `secret` from now on; earlier tokens stay good. */
  async adopt(secret: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#texts.adopt(secret);
  }

  async issue(claims: ResumeClaims): Promise<string> {
    return await this.#texts.sign(JSON.stringify(claims));
  }

  /** @throws {Fault} `ticketInvalid` if no gateway with our key made it. */
  async read(token: string): Promise<ResumeClaims> {
    const text = token.length > RESUME_TOKEN_MAX_CHARS
      ? undefined
      : await this.#texts.read(token);
    const claims = text === undefined ? undefined : claimsOf(text);
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

function invalid(): Fault {
  return new Fault("ticketInvalid", "Cannot resume: the token is not valid", {
    hint: "Open a new tunnel",
  });
}
