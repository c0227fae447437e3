import { createPublicKey, X509Certificate } from "node:crypto";
import type { Pkcs10CertificateRequest } from "@peculiar/x509";
import type { CheckedRequest } from "../policy/enroll_store.ts";
import { Fault } from "../protocol/fault.ts";
import { decodePem, encodePem } from "./pem.ts";
import { SIGNING_ALGORITHM } from "./signing_key.ts";
import { loadX509Library } from "./x509_library.ts";

const LABEL = "CERTIFICATE REQUEST";

/** RFC 5480 §2.1.1.1: of the curves, the one that we make keys of. */
const CURVE = "prime256v1";

/** More attributes than any name of ours has. */
const SUBJECT_MAX_COUNT = 16;

/** A request, read and checked, with the key to certify. */
export interface ReadRequest extends CheckedRequest {
  readonly publicKey: Pkcs10CertificateRequest["publicKey"];
}

/** Makes a PKCS #10 request (RFC 2986) in PEM for `keys`, as `CN=<name>`. */
export async function createCertificateRequest(
  name: string,
  keys: CryptoKeyPair,
): Promise<string> {
  const x509 = await loadX509Library();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: new x509.Name([{ CN: [{ utf8String: name }] }]),
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
  });
  return encodePem(new Uint8Array(request.rawData), LABEL);
}

/**
 * Reads a request, and checks that whoever made it has its key.
 *
 * @throws {Fault} `messageInvalid` if it is broken, signed by another key, or
 * for a key that is not P-256.
 */
export async function readCertificateRequest(
  pem: string,
): Promise<ReadRequest> {
  const x509 = await loadX509Library();
  let read: ReadRequest;
  let isSigned: boolean;
  try {
    const [raw] = decodePem(pem, LABEL);
    if (!raw) throw new Error("There is no request in PEM");
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(raw));
    const { publicKey } = request;
    const spki = new Uint8Array(publicKey.rawData);
    checkCurve(spki);
    isSigned = await request.verify();
    const subject = subjectOf(request);
    read = { publicKey, keyHash: sha256(spki), subject };
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault("messageInvalid", "Cannot read the certificate request", {
      hint: "Send PKCS #10 in PEM, with a P-256 key",
      cause,
    });
  }
  if (isSigned) return read;
  throw new Fault(
    "messageInvalid",
    "Cannot certify: the request is not signed by its own key",
    { hint: "Sign the request with the key that it is for" },
  );
}

/** @throws If it is another kind of key, or none. */
function checkCurve(spki: Uint8Array): void {
  const { asymmetricKeyDetails: details } = createPublicKey({
    key: Buffer.from(spki),
    type: "spki",
    format: "der",
  });
  if (details?.namedCurve === CURVE) return;
  throw new Fault(
    "messageInvalid",
    `Cannot certify: the key is not of curve ${CURVE}`,
    { hint: "Make a P-256 key" },
  );
}

function subjectOf(request: Pkcs10CertificateRequest): [string, string][] {
  return request.subjectName.toJSON()
    .flatMap((part) => Object.entries(part))
    .flatMap(([type, values]) =>
      values.map((value): [string, string] => [type, value])
    )
    .slice(0, SUBJECT_MAX_COUNT);
}

/** Returns the SHA-256, in hex, of the public key of a certificate. */
export function certificateKeyHash(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  return sha256(spki);
}

/**
 * Returns the pin of the CA in a PEM text: as {@linkcode certificateKeyHash}.
 *
 * @throws {Fault} `configInvalid` if it is none.
 */
export function caPin(caPem: string): string {
  try {
    return certificateKeyHash(new X509Certificate(caPem));
  } catch (cause) {
    throw new Fault("configInvalid", "Cannot read the CA's certificate", {
      hint: "Give one CA certificate in PEM",
      cause,
    });
  }
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
