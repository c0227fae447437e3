import { afterAll, beforeAll, expect, test } from "bun:test";
import forge from "node-forge";
import { Fault } from "../../src/protocol/fault.ts";
import {
  checkPkcs12,
  PKCS12_MAX_BYTES,
  readPkcs12,
} from "../../src/runtime/pkcs12.ts";
import { openPkcs12Identity } from "../../src/runtime/pkcs12_identity.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { type AdminFiles, exportP12, makeAdmin } from "../support/p12.ts";
import { rejection } from "../support/rejection.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const missing = missingProgram("openssl");
const testOpenssl = testUnless(missing);

const DAMAGED =
  "Cannot open ana.p12: the password is wrong, or the file is damaged";
const NO_FILE =
  "Cannot read ana.p12: it is no PKCS#12 file, or only a part of one";

let dir: Awaited<ReturnType<typeof makeTemporaryDir>>;
let admin: AdminFiles;

beforeAll(async () => {
  dir = await makeTemporaryDir();
  if (missing === undefined) admin = await makeAdmin(dir.path);
});

afterAll(async () => await dir[Symbol.asyncDispose]());

async function refused(bytes: Uint8Array, password = "secret") {
  const fault = await rejection(readPkcs12(bytes, password, "ana.p12"));
  expect(fault).toBeInstanceOf(Fault);
  const { code, message } = Fault.from(fault);
  return [code, message];
}

const WAYS: Readonly<Record<string, readonly string[]>> = {
  "OpenSSL 3, and migasfree": [],
  "OpenSSL 1.1: 3DES and RC2 under SHA-1": ["-legacy"],
  "AES-128 and AES-192, under SHA-512": [
    ...["-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC"],
    ...["-macalg", "sha512"],
  ],
  "nobody who encrypts": ["-keypbe", "NONE", "-certpbe", "NONE"],
  "somebody who leaves the MAC out": ["-nomac"],
};

for (const [way, options] of Object.entries(WAYS)) {
  testOpenssl(
    `item 53: openPkcs12Identity() reads what is written by ${way}`,
    async () => {
      const bytes = await exportP12(admin, "secret", ...options);
      const { ca, cert, key, subject } = await openPkcs12Identity(
        bytes,
        "secret",
        "ana.p12",
      );
      expect({ ca, cert, subject }).toEqual({
        ca: admin.caPem,
        cert: admin.certPem,
        subject: { O: "mf.test", OU: "ADMINS", CN: "ana" },
      });
      expect(key).toStartWith("-----BEGIN PRIVATE KEY-----\n");
    },
  );
}

testOpenssl(
  "item 53: openPkcs12Identity() reads any password, and other keys",
  async () => {
    await using other = await makeTemporaryDir();
    const algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const files = await makeAdmin(other.path, "mf.test", "iñaki", algorithm);
    for (const password of ["", "contraseñaÑ€", "x".repeat(40)]) {
      for (const options of [[], ["-legacy"]]) {
        const bytes = await exportP12(files, password, ...options);
        const { cert } = await openPkcs12Identity(bytes, password, "ana.p12");
        expect(cert).toBe(files.certPem);
      }
    }
  },
  20_000,
);

testOpenssl("readPkcs12() says that a password is wrong", async () => {
  for (const options of [[], ["-legacy"], ["-nomac"]]) {
    const bytes = await exportP12(admin, "secret", ...options);
    expect(await refused(bytes, "Secret")).toEqual(["configInvalid", DAMAGED]);
    expect(await refused(bytes, "x".repeat(2_000))).toEqual([
      "configInvalid",
      DAMAGED,
    ]);
  }
});

testOpenssl(
  "readPkcs12() refuses a file that is cut short, anywhere",
  async () => {
    const bytes = await exportP12(admin, "secret");
    for (let length = 0; length < bytes.length; length += 97) {
      const part = bytes.subarray(0, length);
      expect(await refused(part)).toEqual(["configInvalid", NO_FILE]);
      await rejection(checkPkcs12(part, "ana.p12"));
    }
    const longer = Buffer.concat([bytes, Buffer.from("more")]);
    expect(await refused(longer)).toEqual(["configInvalid", NO_FILE]);
  },
);

test("readPkcs12() refuses what is no such file", async () => {
  const others = [
    "",
    "-----BEGIN CERTIFICATE-----",
    "0".repeat(1_000),
    "\x30\x00",
    "\x30\x03\x02\x01\x03",
    // Lists in lists: a reader that follows them all has no end of stack.
    "\x30\x80".repeat(100_000),
  ];
  for (const text of others) {
    const bytes = Buffer.from(text, "latin1");
    expect(await refused(bytes)).toEqual(["configInvalid", NO_FILE]);
  }
});

test("readPkcs12() refuses a file of 10 MiB before it looks into it", async () => {
  const bytes = new Uint8Array(10 * 1024 * 1024);
  expect(await refused(bytes)).toEqual([
    "configInvalid",
    `Cannot read ana.p12: it is larger than ${PKCS12_MAX_BYTES} bytes`,
  ]);
});

testOpenssl(
  "readPkcs12() does not work for hours where a file asks it to",
  async () => {
    const bytes = await exportP12(admin, "secret");
    const file = forge.asn1.fromDer(Buffer.from(bytes).toString("latin1"));
    // PFX ::= SEQUENCE { version, authSafe, macData { mac, salt, iterations } }
    const [, , macData] = file.value as forge.asn1.Asn1[];
    const [, , rounds] = macData?.value as forge.asn1.Asn1[];
    if (!rounds) throw new Error("There is no number of rounds");
    rounds.value = "\x7f\xff\xff\xff";
    const more = Buffer.from(forge.asn1.toDer(file).getBytes(), "latin1");
    const startMs = performance.now();
    expect(await refused(more)).toEqual([
      "configInvalid",
      "Cannot read ana.p12: its password would take too long to check",
    ]);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  },
);

testOpenssl("readPkcs12() leaves the library as it found it", async () => {
  const before = { ...forge.pkcs5, ...forge.pkcs12 };
  await readPkcs12(await exportP12(admin, "secret"), "secret", "ana.p12");
  await refused(new Uint8Array(7));
  expect({ ...forge.pkcs5, ...forge.pkcs12 }).toEqual(before);
  expect(
    forge.pki.certificateFromPem(admin.certPem).subject.getField("CN").value,
  )
    .toBe("ana");
});

testOpenssl(
  "readPkcs12() takes or refuses mutated files, and never fails otherwise",
  async () => {
    const random = new SeededRandom(12);
    const files = [
      await exportP12(admin, "secret"),
      await exportP12(admin, "secret", "-legacy", "-nomac"),
      // Nothing is checked before it is parsed, down to the last byte.
      await exportP12(
        admin,
        "secret",
        ...["-nomac", "-keypbe", "NONE", "-certpbe", "NONE"],
      ),
    ];
    const startMs = performance.now();
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(files[round % files.length] ?? []);
      const count = 1 + random.below(4);
      for (let change = 0; change < count; change++) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      try {
        await openPkcs12Identity(bytes, "secret", "ana.p12");
      } catch (error) {
        expect([round, Fault.from(error).code]).toEqual([
          round,
          "configInvalid",
        ]);
      }
    }
    expect(performance.now() - startMs).toBeLessThan(20_000);
  },
  30_000,
);
