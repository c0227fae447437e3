import * as z from "zod/mini";
import { DEVICE_NAME_MAX_CHARS, SERVICE_NAME_MAX_CHARS } from "./limits.ts";

/** Largest device id: a JSON integer that every side reads exactly. */
export const DEVICE_ID_MAX = 2 ** 31 - 1;

/** migasfree's CID: a positive integer, on the wire a JSON number. */
export const deviceIdSchema = z.int().check(
  z.minimum(1),
  z.maximum(DEVICE_ID_MAX),
);

/** 128 random bits as lower-case hexadecimal. */
export const tunnelIdSchema = z.string().check(z.regex(/^[0-9a-f]{32}$/));

/** A service's name: what an operator types and an agent maps to an address. */
export const serviceNameSchema = z.string().check(
  z.maxLength(SERVICE_NAME_MAX_CHARS),
  z.regex(/^[a-z][a-z0-9_-]*$/),
);

/** A device's name as its agent gives it: hostile text of bounded length. */
export const deviceNameSchema = z.string().check(
  z.minLength(1),
  z.maxLength(DEVICE_NAME_MAX_CHARS),
);

/** How an operator names a device. */
export type DeviceRef =
  | { readonly tag: "id"; readonly id: number }
  | { readonly tag: "name"; readonly name: string };

/**
 * Reads `7`, `CID-7` or a name; a trailing `.mf` is dropped, so that
 * `Host *.mf` works in an ssh configuration.
 *
 * Returns undefined if the text can be none of them. Digits alone are never a
 * name: a mistyped id must not reach a computer that is called so.
 */
export function parseDeviceRef(text: string): DeviceRef | undefined {
  const bare = text.replace(/\.mf$/i, "");
  const [, digits] = /^(?:cid-)?([0-9]+)$/i.exec(bare) ?? [];
  if (digits !== undefined) {
    const id = Number(digits);
    return deviceIdSchema.safeParse(id).success ? { tag: "id", id } : undefined;
  }
  if (!deviceNameSchema.safeParse(bare).success) return undefined;
  return { tag: "name", name: bare };
}

/** Returns 128 fresh random bits in hexadecimal: a tunnel's id, a secret. */
export function randomHex(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}
