import { X509Certificate } from "node:crypto";

/**
 * Returns the common name in the subject of a PEM certificate; undefined if it
 * has none, or there is no certificate. The last one, where there are several.
 */
export function commonNameOf(pem: string | undefined): string | undefined {
  if (pem === undefined) return undefined;
  const { subject } = new X509Certificate(pem).toLegacyObject();
  const name: unknown = Object(subject)["CN"];
  const last: unknown = Array.isArray(name) ? name.at(-1) : name;
  return typeof last === "string" ? last : undefined;
}
