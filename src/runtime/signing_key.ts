import { decodePem, encodePem } from "./pem.ts";

/** Of every key that we make: P-256, and what it signs (FIPS 186-5 §6). */
export const SIGNING_ALGORITHM = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
};

/** Makes a key pair that can be exported. */
export async function generateSigningKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(SIGNING_ALGORITHM, true, [
    "sign",
    "verify",
  ]);
}

/** Returns a private key in PKCS#8, unencrypted, as PEM. */
export async function exportSigningKey(key: CryptoKey): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", key);
  return encodePem(new Uint8Array(pkcs8), "PRIVATE KEY");
}

/**
 * Reads what {@linkcode exportSigningKey} wrote.
 *
 * @throws {Error} if it is no unencrypted P-256 key in PKCS#8 as PEM.
 */
export async function importSigningKey(keyPem: string): Promise<CryptoKey> {
  const [pkcs8] = decodePem(keyPem, "PRIVATE KEY");
  if (!pkcs8) throw new Error("There is no PKCS#8 key in PEM");
  return await crypto.subtle.importKey(
    "pkcs8",
    new Uint8Array(pkcs8),
    SIGNING_ALGORITHM,
    false,
    ["sign"],
  );
}
