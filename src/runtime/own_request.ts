import { createPrivateKey, createPublicKey } from "node:crypto";
import { Fault } from "../protocol/fault.ts";
import { createCertificateRequest } from "./certificate_request.ts";
import { SIGNING_ALGORITHM } from "./signing_key.ts";

/**
 * Makes a request in PEM for a key that is there already.
 *
 * @param keyPem Unencrypted, P-256.
 * @throws {Fault} `configInvalid` if it is another kind of key.
 */
export async function requestFor(
  name: string,
  keyPem: string,
): Promise<string> {
  try {
    const key = createPrivateKey(keyPem);
    const pkcs8 = key.export({ type: "pkcs8", format: "der" });
    const spki = createPublicKey(key).export({ type: "spki", format: "der" });
    const privateKey = await crypto.subtle.importKey(
      "pkcs8",
      new Uint8Array(pkcs8),
      SIGNING_ALGORITHM,
      false,
      ["sign"],
    );
    const publicKey = await crypto.subtle.importKey(
      "spki",
      new Uint8Array(spki),
      SIGNING_ALGORITHM,
      true,
      ["verify"],
    );
    return await createCertificateRequest(name, { privateKey, publicKey });
  } catch (cause) {
    throw new Fault(
      "configInvalid",
      "Cannot ask for a certificate: the key is no P-256 key",
      { hint: "Enrol again, or set `renew = false` in agent.toml", cause },
    );
  }
}
