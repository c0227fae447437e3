import { pbkdf2Sync } from "node:crypto";
import type Forge from "node-forge";
import { Fault } from "../protocol/fault.ts";

/** Largest file that is read. Ours to choose: a key and a long chain have 10 KB. */
export const PKCS12_MAX_BYTES = 1024 * 1024;

/** Longest password that is tried, in UTF-16 units. Ours to choose. */
export const PKCS12_PASSWORD_MAX_CHARS = 1_024;

/**
 * How much deriving of keys one file may ask for, in rounds of PBKDF2. Ours to
 * choose: OpenSSL asks for 2,048 per key, and this takes a few seconds.
 */
const WORK_MAX_COUNT = 10_000_000;

/** What a round of the older derivation costs: no native code does it. */
const OLD_ROUND_WORK_COUNT = 10;

/** What a PKCS#12 file holds, in DER, in its own order. */
export interface Pkcs12Content {
  /** Each a PrivateKeyInfo (PKCS#8). */
  readonly keys: readonly Uint8Array[];
  readonly certificates: readonly Uint8Array[];
}

/** A digest of the library, as its derivations get it. */
interface Digest {
  readonly algorithm: string;
  readonly digestLength: number;
}

type OldDerivation = (
  password: string,
  salt: unknown,
  id: number,
  roundCount: number,
  lengthBytes: number,
  digest?: Digest,
) => unknown;

/** The parts of the library that we stand in for; it has no types for them. */
interface Inside {
  readonly pkcs5: object;
  readonly pki: object;
  readonly pkcs12: { readonly generateKey: OldDerivation };
  readonly pbe: { readonly generatePkcs12Key: OldDerivation };
}

/**
 * Looks at what can be seen without a password.
 *
 * @param whatItIs The file, as sentences name it.
 * @throws {Fault} `configInvalid` if the bytes are no DER, or larger than
 * {@linkcode PKCS12_MAX_BYTES}.
 */
export async function checkPkcs12(
  bytes: Uint8Array,
  whatItIs: string,
): Promise<void> {
  if (bytes.byteLength > PKCS12_MAX_BYTES) {
    throw unreadable(whatItIs, `it is larger than ${PKCS12_MAX_BYTES} bytes`);
  }
  const { default: forge } = await import("node-forge");
  try {
    forge.asn1.fromDer(Buffer.from(bytes).toString("latin1"));
  } catch (error) {
    throw noSuchFile(whatItIs, error);
  }
}

/**
 * Decrypts a PKCS#12 file (RFC 7292) that a password protects: PBES2 with AES,
 * as OpenSSL 3 and migasfree write it, and the older 3DES and RC2.
 *
 * The library costs 50 ms to load, so only who has such a file pays. It works
 * in one go: the thread does nothing else for as long, a few seconds at most.
 *
 * @param whatItIs The file, as sentences name it.
 * @throws {Fault} `configInvalid` if the password is wrong, or the bytes are
 * no such file, or larger than {@linkcode PKCS12_MAX_BYTES}, or want more work
 * than we do.
 */
export async function readPkcs12(
  bytes: Uint8Array,
  password: string,
  whatItIs: string,
): Promise<Pkcs12Content> {
  await checkPkcs12(bytes, whatItIs);
  if (password.length > PKCS12_PASSWORD_MAX_CHARS) throw wrong(whatItIs);
  const { default: forge } = await import("node-forge");
  const work = { count: 0 };
  try {
    return withOurParts(forge, work, whatItIs, () => {
      const der = forge.asn1.fromDer(Buffer.from(bytes).toString("latin1"));
      const file = forge.pkcs12.pkcs12FromAsn1(der, true, password);
      return contentOf(forge, file);
    });
  } catch (error) {
    if (error instanceof Fault) throw error;
    // The library has no codes, but an unknown kind is named by its number.
    if (error instanceof Error && "oid" in error) {
      throw unknown(whatItIs, error);
    }
    // What asked for a key had the shape of such a file so far.
    throw work.count > 0 ? wrong(whatItIs, error) : noSuchFile(whatItIs, error);
  }
}

function contentOf(
  forge: typeof Forge,
  file: Forge.pkcs12.Pkcs12Pfx,
): Pkcs12Content {
  const { certBag, keyBag, pkcs8ShroudedKeyBag } = forge.pki.oids;
  const bags = file.safeContents.flatMap(({ safeBags }) => safeBags);
  const derOf = (...types: readonly (string | undefined)[]) =>
    bags.flatMap(({ asn1, type }) =>
      asn1 !== undefined && types.includes(type)
        ? [Buffer.from(forge.asn1.toDer(asn1).getBytes(), "latin1")]
        : []
    );
  return {
    keys: derOf(keyBag, pkcs8ShroudedKeyBag),
    certificates: derOf(certBag),
  };
}

/**
 * Runs `read` while some parts of the library are ours: keys are derived
 * within bounds, PBES2 takes a password as UTF-8 (RFC 8018 §3) and by native
 * code, and keys and certificates stay as their bytes are. The library itself
 * would know RSA only, and write certificates anew.
 */
function withOurParts<T>(
  forge: typeof Forge,
  work: { count: number },
  whatItIs: string,
  read: () => T,
): T {
  const { pkcs5, pki, pkcs12, pbe } = forge as unknown as Inside;
  const { generateKey } = pkcs12;
  const spend = (count: number) => {
    work.count += count;
    if (work.count <= WORK_MAX_COUNT) return;
    throw unreadable(whatItIs, "its password would take too long to check");
  };
  const pbkdf2 = (
    ...[password, salt, roundCount, lengthBytes, digest]: [
      string,
      string,
      number,
      number,
      Digest,
    ]
  ) => {
    spend(roundCount);
    const saltBytes = Buffer.from(salt, "latin1");
    const { algorithm } = digest;
    return pbkdf2Sync(password, saltBytes, roundCount, lengthBytes, algorithm)
      .toString("latin1");
  };
  const derive: OldDerivation = (...args) => {
    const [, , , roundCount, lengthBytes, digest] = args;
    const blockCount = Math.ceil(lengthBytes / (digest?.digestLength ?? 20));
    spend(roundCount * blockCount * OLD_ROUND_WORK_COUNT);
    return generateKey(...args);
  };
  // It keeps what it cannot read as it was.
  const leave = () => {
    throw new Error("Left as it is");
  };
  const undo = [
    replace(pkcs5, { pbkdf2 }),
    replace(pkcs12, { generateKey: derive }),
    replace(pbe, { generatePkcs12Key: derive }),
    replace(pki, { certificateFromAsn1: leave, privateKeyFromAsn1: leave }),
  ];
  try {
    return read();
  } finally {
    for (const restore of undo) restore();
  }
}

/** Puts `ours` into `target`; returns what puts its own back. */
function replace(target: object, ours: Record<string, unknown>): () => void {
  const theirs = Object.keys(ours).map((name) =>
    [name, Reflect.get(target, name)] as const
  );
  Object.assign(target, ours);
  return () => void Object.assign(target, Object.fromEntries(theirs));
}

function wrong(whatItIs: string, cause?: unknown): Fault {
  return new Fault(
    "configInvalid",
    `Cannot open ${whatItIs}: the password is wrong, or the file is damaged`,
    { hint: "Try again with the password that the file was made with", cause },
  );
}

function noSuchFile(whatItIs: string, cause: unknown): Fault {
  return unreadable(
    whatItIs,
    "it is no PKCS#12 file, or only a part of one",
    cause,
  );
}

function unknown(whatItIs: string, cause: unknown): Fault {
  return unreadable(whatItIs, "it is of a kind that we do not read", cause);
}

function unreadable(whatItIs: string, fact: string, cause?: unknown): Fault {
  return new Fault("configInvalid", `Cannot read ${whatItIs}: ${fact}`, {
    hint:
      "Ask for the .p12 again, or write it anew by `openssl pkcs12 -export`",
    cause,
  });
}
