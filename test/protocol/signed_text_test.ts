import { expect, test } from "bun:test";
import {
  SignedTexts,
  SIGNING_KEY_BYTES,
} from "../../src/protocol/signed_text.ts";

function keyOf(byte: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(SIGNING_KEY_BYTES).fill(byte);
}

test("SignedTexts reads what it signed, and nothing that was changed", async () => {
  const texts = await SignedTexts.create(keyOf(1));
  for (const text of ["", "plain", '{"é": "\n"}']) {
    const signed = await texts.sign(text);
    expect(await texts.read(signed)).toBe(text);
    for (
      const wrong of [`x${signed}`, `${signed}x`, `${signed}.`, signed.slice(1)]
    ) {
      expect(await texts.read(wrong)).toBeUndefined();
    }
  }
  expect(await texts.read("")).toBeUndefined();
});

test("SignedTexts signs with the key that it adopted last, and reads its last four", async () => {
  const texts = await SignedTexts.create(keyOf(1));
  const signed = [await texts.sign("1")];
  for (const key of [2, 3, 4, 5]) {
    await texts.adopt(keyOf(key));
    signed.push(await texts.sign(String(key)));
  }
  expect(await Promise.all(signed.map((text) => texts.read(text))))
    .toEqual([undefined, "2", "3", "4", "5"]);
  const other = await SignedTexts.create(keyOf(5));
  expect(await other.read(signed[4] ?? "")).toBe("5");
  expect(await other.read(signed[3] ?? "")).toBeUndefined();
});

test("SignedTexts forgets no key by adopting one that it has", async () => {
  const texts = await SignedTexts.create(keyOf(1));
  const first = await texts.sign("first");
  for (const key of [2, 2, 2, 2, 2]) await texts.adopt(keyOf(key));
  expect(await texts.read(first)).toBe("first");
});
