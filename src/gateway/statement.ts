import * as z from "zod/mini";
import { DN_MAX_CHARS } from "../policy/identity.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { SignedTexts } from "../protocol/signed_text.ts";
import type { Admitted } from "./admit.ts";

/** The header that says, signed, for whom a gateway speaks. */
export const FORWARDED_HEADER = "X-Migasfree-Forwarded";

/** Both are ours to choose; clocks of gateways may differ by so much. */
const VALID_MS = 30_000;
const STATEMENT_MAX_CHARS = 32_768;

/** So that nothing else that is signed with the key can pass for one. */
const PURPOSE = "migasfree-gateway forwarded link 1";

const statementSchema = z.object({
  role: z.enum(["agent", "operator"]),
  subject: z.string().check(z.minLength(1), z.maxLength(DN_MAX_CHARS * 8)),
  name: z.string().check(z.minLength(1), z.maxLength(OPERATOR_NAME_MAX_CHARS)),
  address: z.string().check(z.minLength(1), z.maxLength(64)),
  /** Path and query that the statement is for. */
  target: z.string().check(z.minLength(1), z.maxLength(2_048)),
  /** How many gateways it has come through: never more than one. */
  hops: z.literal(1),
  issuedAtMs: z.int(),
});

/** Makes and reads what one gateway says to another about a caller. */
export class Statements {
  readonly #texts: SignedTexts;
  readonly #wallNow: () => number;

  private constructor(texts: SignedTexts, wallNow: () => number) {
    this.#texts = texts;
    this.#wallNow = wallNow;
  }

  /** @param secret What all gateways of the site share. */
  static async create(
    secret: Uint8Array<ArrayBuffer>,
    wallNow: () => number,
  ): Promise<Statements> {
    const texts = await SignedTexts.create(await derived(secret));
    return new Statements(texts, wallNow);
  }

  async adopt(secret: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#texts.adopt(await derived(secret));
  }

  /** Says who `caller` is, for a request to `target`. */
  async sign(caller: Admitted, target: string): Promise<string> {
    const { role, subject, name } = caller.principal;
    const statement: z.infer<typeof statementSchema> = {
      role,
      subject,
      name,
      address: caller.address,
      target,
      hops: 1,
      issuedAtMs: this.#wallNow(),
    };
    return await this.#texts.sign(JSON.stringify(statement));
  }

  /**
   * Returns whom a statement is about; undefined if it is not a gateway's of
   * this site, is for another request, or too old.
   */
  async read(text: string, target: string): Promise<Admitted | undefined> {
    if (text.length > STATEMENT_MAX_CHARS) return undefined;
    const signed = await this.#texts.read(text);
    if (signed === undefined) return undefined;
    const said = parse(signed);
    if (said?.target !== target) return undefined;
    const ageMs = this.#wallNow() - said.issuedAtMs;
    if (Math.abs(ageMs) > VALID_MS) return undefined;
    const { role, subject, name, address } = said;
    return {
      principal: { role, subject, name },
      address,
      certificate: undefined,
      isForwarded: true,
    };
  }
}

function parse(text: string): z.infer<typeof statementSchema> | undefined {
  try {
    return statementSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Of a gateway of another version.
  }
}

/** Returns a key of its own, so that tokens and statements never mix. */
async function derived(
  secret: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const usages = ["sign"] as const;
  const key = await crypto.subtle.importKey("raw", secret, algorithm, false, [
    ...usages,
  ]);
  const purpose = new TextEncoder().encode(PURPOSE);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, purpose));
}
