import { expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { enrollKey, enrollProof } from "../../src/protocol/enroll_message.ts";

test("enrollProof() is what PROTOCOL.md says, by another library", async () => {
  const secret = "c2VjcmV0";
  const question = { device: 7, name: "aula-7 ñ", csr: "-----BEGIN X\n" };
  const key = createHash("sha256").update(secret).digest();
  const text = '["migasfree.enroll.v1",7,"aula-7 ñ","-----BEGIN X\\n"]';
  const proof = createHmac("sha256", key).update(text).digest("hex");
  expect((await enrollKey(secret)).toHex()).toBe(key.toString("hex"));
  expect(await enrollProof(await enrollKey(secret), question)).toBe(proof);
});
