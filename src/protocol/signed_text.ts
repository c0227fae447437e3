/** Bytes of a key that signs. */
export const SIGNING_KEY_BYTES = 32;

/** Keys that are still believed, the one that signs among them. */
const KEYS_MAX_COUNT = 4;

const ALGORITHM = { name: "HMAC", hash: "SHA-256" };

/**
 * Signs texts, and reads what it has signed: the text and an HMAC-SHA-256 of
 * it (RFC 2104), each in base64url, with a dot between them.
 */
export class SignedTexts {
  /** The first one signs; the others are what was in its place before. */
  #keys: readonly { readonly secret: Uint8Array; readonly key: CryptoKey }[] =
    [];

  private constructor() {}

  /** @param secret SIGNING_KEY_BYTES random bytes. */
  static async create(secret: Uint8Array<ArrayBuffer>): Promise<SignedTexts> {
    const texts = new SignedTexts();
    await texts.adopt(secret);
    return texts;
  }

  /** Signs with `secret` from now on; what was signed before stays good. */
  async adopt(secret: Uint8Array<ArrayBuffer>): Promise<void> {
    const key = await crypto.subtle.importKey("raw", secret, ALGORITHM, false, [
      "sign",
      "verify",
    ]);
    const others = this.#keys.filter((known) => !isSame(known.secret, secret));
    const keys = [{ secret: secret.slice(), key }, ...others];
    this.#keys = keys.slice(0, KEYS_MAX_COUNT);
  }

  async sign(text: string): Promise<string> {
    const [first] = this.#keys;
    if (!first) throw new TypeError("Cannot sign without a key");
    const body = new TextEncoder().encode(text);
    const mac = await crypto.subtle.sign("HMAC", first.key, body);
    return `${encode(body)}.${encode(new Uint8Array(mac))}`;
  }

  /** Returns what was signed; undefined if nobody with our keys did it. */
  async read(signed: string): Promise<string | undefined> {
    const [body, mac, ...more] = signed.split(".", 3).map(decode);
    if (!body || !mac || more.length > 0) return undefined;
    for (const { key } of this.#keys) {
      // The comparison inside takes the same time for every wrong one.
      if (await crypto.subtle.verify("HMAC", key, mac, body)) {
        return new TextDecoder().decode(body);
      }
    }
    return undefined;
  }
}

/** Of our own keys, from a place that is trusted: time tells nobody. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, at) => byte === other[at]);
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
