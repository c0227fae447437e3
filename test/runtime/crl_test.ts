import { expect, test } from "bun:test";
import { CertificateAuthority } from "../../src/runtime/certificate_authority.ts";
import { readCrl } from "../../src/runtime/crl.ts";
import { decodePem } from "../../src/runtime/pem.ts";

const ECDSA_SHA256_HEX = "2a8648ce3d040302";

async function makeCrl(serials: string[], now: Date): Promise<Uint8Array> {
  const authority = await CertificateAuthority.create("mf.test");
  const crlPem = await authority.createCrl(serials, now);
  return decodePem(crlPem, "X509 CRL")[0] ?? new Uint8Array();
}

test("readCrl() reads what a CRL says", async () => {
  const bytes = await makeCrl(["41", "0080"], new Date("2026-05-06T07:08:09Z"));
  const { signed, signature, ...said } = readCrl(bytes);
  expect(said).toEqual({
    issuerKey: '[["55040a=migasfree"],["550403=mf.test root ca"]]',
    serialKeys: ["41", "0080"],
    nextUpdateMs: Date.parse("2026-06-05T07:08:09Z"),
    algorithmHex: ECDSA_SHA256_HEX,
  });
  expect(signed[0]).toBe(0x30);
  expect(signature[0]).toBe(0x30);
});

test("readCrl() reads years of this century, the last and the next", async () => {
  for (const year of ["1971", "1999", "2000", "2049", "2050", "2100"]) {
    const now = new Date(`${year}-03-04T05:06:07Z`);
    const { nextUpdateMs } = readCrl(await makeCrl([], now));
    expect(nextUpdateMs).toBe(now.getTime() + 30 * 86_400_000);
  }
});

test("readCrl() refuses a CRL that names two signature algorithms", async () => {
  const hex = (await makeCrl([], new Date())).toHex();
  const at = hex.lastIndexOf(ECDSA_SHA256_HEX);
  const sha512 = "2a8648ce3d040304";
  const changed = hex.slice(0, at) + sha512 + hex.slice(at + sha512.length);
  expect(() => readCrl(Uint8Array.fromHex(changed)))
    .toThrow("CRL names two signature algorithms");
});

test("readCrl() throws an error for every way to cut a CRL short", async () => {
  const bytes = await makeCrl(["41"], new Date());
  for (let length = 0; length < bytes.length; length++) {
    expect(() => readCrl(bytes.subarray(0, length))).toThrow();
  }
});
