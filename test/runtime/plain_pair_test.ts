import { expect, test } from "bun:test";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { decodePem, encodePem } from "../../src/runtime/pem.ts";
import { isPlainPair } from "../../src/runtime/plain_pair.ts";
import { loadX509Library } from "../../src/runtime/x509_library.ts";

const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2_048,
};
const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const P384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
const ED25519 = { name: "Ed25519" };

/** A certificate that signs itself, and its key as PKCS #8. */
async function makePair(algorithm: typeof RSA | typeof P256 | typeof ED25519) {
  const x509 = await loadX509Library();
  const keys = await crypto.subtle
    .generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=x",
    keys,
    signingAlgorithm: algorithm,
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  const key = encodePem(new Uint8Array(pkcs8), "PRIVATE KEY");
  return { cert: certificate.toString("pem"), key };
}

test("isPlainPair() knows an RSA key in both of its forms", async () => {
  const [pair, other] = [await makePair(RSA), await makePair(RSA)];
  const forms = [pair, other].map(({ key }) => [
    key,
    String(createPrivateKey(key).export({ type: "pkcs1", format: "pem" })),
  ]);
  const found = forms.map((keys) =>
    keys.map((key) => isPlainPair(pair.cert, key))
  );
  expect(found).toEqual([[true, true], [false, false]]);
});

test("isPlainPair() knows a key of a curve in both of its forms", async () => {
  for (const algorithm of [P256, P384]) {
    const pairs = [await makePair(algorithm), await makePair(algorithm)];
    const found = pairs.map(({ key }) => [
      isPlainPair(pairs[0]?.cert ?? "", key),
      isPlainPair(
        pairs[0]?.cert ?? "",
        String(createPrivateKey(key).export({ type: "sec1", format: "pem" })),
      ),
    ]);
    expect(found).toEqual([[true, true], [false, false]]);
  }
});

test("isPlainPair() looks at the first certificate, as a handshake does", async () => {
  const [pair, other] = [await makePair(P256), await makePair(P256)];
  expect([
    isPlainPair(pair.cert + other.cert, pair.key),
    isPlainPair(other.cert + pair.cert, pair.key),
  ]).toEqual([true, false]);
});

test("isPlainPair() is not sure of a key that does not repeat the public one", async () => {
  const edwards = await makePair(ED25519);
  const curve = await makePair(P256);
  expect(isPlainPair(edwards.cert, edwards.key)).toBe(false);
  // As Java writes them: without the optional point of RFC 5915 §3.
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [raw] = decodePem(
    String(privateKey.export({ type: "sec1", format: "pem" })),
    "EC PRIVATE KEY",
  );
  const bare = (raw ?? new Uint8Array()).slice(2, 2 + 3 + 34 + 12);
  const key = encodePem(
    Uint8Array.of(0x30, bare.length, ...bare),
    "EC PRIVATE KEY",
  );
  expect(isPlainPair(curve.cert, key)).toBe(false);
});

test("isPlainPair() is not sure of what is broken, or of another kind", async () => {
  const [rsa, curve] = [await makePair(RSA), await makePair(P256)];
  const texts = ["", "x", "-----BEGIN PRIVATE KEY-----", rsa.cert];
  const found = [
    ...texts.map((key) => isPlainPair(curve.cert, key)),
    ...texts.slice(0, 3).map((cert) => isPlainPair(cert, curve.key)),
    isPlainPair(curve.cert, rsa.key),
    isPlainPair(rsa.cert, curve.key),
    isPlainPair(curve.cert, curve.key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
  ];
  expect(found).toEqual(found.map(() => false));
});
