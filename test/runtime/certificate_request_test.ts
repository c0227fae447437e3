import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { Fault } from "../../src/protocol/fault.ts";
import {
  createCertificateRequest,
  readCertificateRequest,
} from "../../src/runtime/certificate_request.ts";
import { requestFor } from "../../src/runtime/own_request.ts";
import {
  exportSigningKey,
  generateSigningKeys,
} from "../../src/runtime/signing_key.ts";
import { runChild } from "../support/child.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const LABEL = "CERTIFICATE REQUEST";

function pemOf(bytes: Uint8Array): string {
  return `-----BEGIN ${LABEL}-----\n${bytes.toBase64()}\n-----END ${LABEL}-----\n`;
}

function bytesOf(pem: string): Uint8Array {
  return Uint8Array.fromBase64(pem.split("\n").slice(1, -2).join(""));
}

async function refusal(pem: string): Promise<[string, string]> {
  const { code, message } = Fault.from(
    await rejection(readCertificateRequest(pem)),
  );
  return [code, message];
}

test("readCertificateRequest() reads what createCertificateRequest() wrote", async () => {
  const keys = await generateSigningKeys();
  const pem = await createCertificateRequest("enrolled_7", keys);
  const { keyHash, subject } = await readCertificateRequest(pem);
  expect(subject).toEqual([["CN", "enrolled_7"]]);
  const again = await requestFor(
    "other",
    await exportSigningKey(keys.privateKey),
  );
  expect((await readCertificateRequest(again)).keyHash).toBe(keyHash);
});

test("requestFor() takes a P-256 key in any PEM, and no other kind", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  for (const type of ["pkcs8", "sec1"] as const) {
    const pem = privateKey.export({ type, format: "pem" }).toString();
    const request = await readCertificateRequest(await requestFor("a", pem));
    expect(request.subject).toEqual([["CN", "a"]]);
  }
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  for (const key of [p384, rsa]) {
    const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
    expect(await rejection(requestFor("a", pem))).toMatchObject({
      code: "configInvalid",
    });
  }
});

test("readCertificateRequest() refuses a request with any byte changed, or reads the same", async () => {
  const keys = await generateSigningKeys();
  const pem = await createCertificateRequest("enrolled_7", keys);
  const { keyHash, subject } = await readCertificateRequest(pem);
  const bytes = bytesOf(pem);
  let refusedCount = 0;
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [0x01, 0x80]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ mask;
      try {
        // Around what is signed, the parser forgives what DER does not allow.
        expect(await readCertificateRequest(pemOf(changed)))
          .toMatchObject({ keyHash, subject });
      } catch (error) {
        const { code } = Fault.from(error);
        expect([at, mask, code]).toEqual([at, mask, "messageInvalid"]);
        refusedCount++;
      }
    }
  }
  expect(refusedCount).toBeGreaterThan(bytes.length * 2 - 10);
});

test("readCertificateRequest() refuses a request that is cut anywhere", async () => {
  const keys = await generateSigningKeys();
  const pem = await createCertificateRequest("enrolled_7", keys);
  const bytes = bytesOf(pem);
  for (let length = 0; length < bytes.length; length += 3) {
    const [code] = await refusal(pemOf(bytes.slice(0, length)));
    expect([length, code]).toEqual([length, "messageInvalid"]);
  }
  for (const text of ["", "none", pem.slice(0, 200), "A".repeat(8_000)]) {
    expect((await refusal(text))[0]).toBe("messageInvalid");
  }
});

testUnless(missingProgram("openssl"))(
  "readCertificateRequest() reads OpenSSL's of P-256, and no other kind",
  async () => {
    await using dir = await makeTemporaryDir();
    const make = async (...kind: readonly string[]) => {
      const { stdout } = await runChild([
        ...["openssl", "req", "-new", "-nodes", "-subj", "/O=x/CN=pc 7"],
        ...["-keyout", `${dir.path}/key.pem`, "-newkey", ...kind],
      ]);
      return stdout;
    };
    const ec = ["ec", "-pkeyopt"];
    const good = await make(...ec, "ec_paramgen_curve:P-256");
    expect((await readCertificateRequest(good)).subject)
      .toEqual([["O", "x"], ["CN", "pc 7"]]);
    const others = [
      await make("rsa:2048"),
      await make(...ec, "ec_paramgen_curve:P-384"),
      await make("ed25519"),
    ];
    for (const pem of others) {
      expect((await refusal(pem))[0]).toBe("messageInvalid");
    }
  },
);
