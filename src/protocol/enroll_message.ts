import * as z from "zod/mini";
import { deviceIdSchema, deviceNameSchema, tunnelIdSchema } from "./id.ts";

/** RFC 7468 text of a request or a certificate with a key of a few bytes. */
const PEM_MAX_CHARS = 8 * 1024;

const pemSchema = z.string().check(z.maxLength(PEM_MAX_CHARS));

/** A computer that has a token asks for its first certificate. */
export const enrollRequestSchema = z.object({
  token: tunnelIdSchema,
  /** HMAC-SHA-256 under the token's secret: {@linkcode enrollProof}. */
  proof: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  device: deviceIdSchema,
  name: deviceNameSchema,
  /** PKCS #10 (RFC 2986), PEM. */
  csr: pemSchema,
});

export type EnrollRequest = z.infer<typeof enrollRequestSchema>;

/** A computer that has a certificate asks for the next one. */
export const renewRequestSchema = z.object({
  /** PKCS #10, PEM. */
  csr: pemSchema,
  /** What it has now, PEM; it may have expired. */
  certificate: pemSchema,
});

export type RenewRequest = z.infer<typeof renewRequestSchema>;

/** What anybody may know before it says who it is. */
export const enrollOfferSchema = z.object({
  /** The CA that will sign, PEM. */
  ca: pemSchema,
});

/** There it is. */
export const issuedSchema = z.object({
  certificate: pemSchema,
  ca: pemSchema,
});

/** A person has to decide first; ask again in some minutes. */
export const pendingSchema = z.object({
  pending: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
});

/**
 * Returns what proves that whoever asks has the secret of the token, without
 * showing it: nobody in between can put another key in place of this one.
 *
 * @param key What {@linkcode enrollKey} makes of the secret.
 */
export async function enrollProof(
  key: Uint8Array<ArrayBuffer>,
  { csr, device, name }: Pick<EnrollRequest, "csr" | "device" | "name">,
): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const hmac = await crypto.subtle.importKey("raw", key, algorithm, false, [
    "sign",
  ]);
  const text = JSON.stringify(["migasfree.enroll.v1", device, name, csr]);
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.sign("HMAC", hmac, bytes)).toHex();
}

/** Returns what a gateway keeps of a token's secret: its SHA-256. */
export async function enrollKey(
  secret: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(secret);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
