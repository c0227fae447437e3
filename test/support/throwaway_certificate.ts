import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A certificate made for one test, with its key, as PEM texts. */
export interface ThrowawayCertificate {
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly privateKey: KeyObject;
}

export interface ThrowawayOptions {
  /** Common name. */
  readonly name: string;
  /** Who signs it; undefined: it signs itself. */
  readonly issuer?: ThrowawayCertificate;
  readonly isAuthority?: boolean;
  readonly dnsNames?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
const OID_ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const OID_COMMON_NAME = [0x55, 0x04, 0x03];
const OID_ALT_NAME = [0x55, 0x1d, 0x11];
const OID_BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];

let serial = 0;

/**
 * Makes a P-256 certificate (RFC 5280 §4.1) with exactly the dates, names and
 * signer that a test wants, the wrong ones too.
 */
export function throwawayCertificate(
  options: ThrowawayOptions,
): ThrowawayCertificate {
  const { name, issuer } = options;
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
  });
  const algorithm = der(0x30, der(0x06, Buffer.from(OID_ECDSA_SHA256)));
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ++serial >> 8, serial & 0xff])),
    algorithm,
    distinguishedName(issuer?.name ?? name),
    der(
      0x30,
      time(options.notBefore ?? new Date(Date.now() - DAY_MS)),
      time(options.notAfter ?? new Date(Date.now() + DAY_MS)),
    ),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, ...extensions(options))),
  );
  const signature = sign(
    "sha256",
    toBeSigned,
    issuer?.privateKey ?? privateKey,
  );
  const bits = der(0x03, Buffer.from([0]), signature);
  return {
    cert: pem(der(0x30, toBeSigned, algorithm, bits)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    name,
    privateKey,
  };
}

function extensions(options: ThrowawayOptions): Buffer[] {
  const isAuthority = options.isAuthority ?? false;
  const constraints = isAuthority
    ? der(0x30, der(0x01, Buffer.from([0xff])))
    : der(0x30);
  const names = (options.dnsNames ?? []).map((dnsName) =>
    der(0x82, Buffer.from(dnsName))
  );
  const found = [extension(OID_BASIC_CONSTRAINTS, constraints)];
  if (names.length > 0) {
    found.push(extension(OID_ALT_NAME, der(0x30, ...names)));
  }
  return found;
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return der(0x30, der(0x06, Buffer.from(id)), der(0x04, value));
}

function distinguishedName(commonName: string): Buffer {
  const attribute = der(
    0x30,
    der(0x06, Buffer.from(OID_COMMON_NAME)),
    der(0x0c, Buffer.from(commonName)),
  );
  return der(0x30, der(0x31, attribute));
}

/** GeneralizedTime; RFC 5280 §4.1.2.5 wants it only from 2050 on. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.[0-9]+/g, "");
  return date.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(text.slice(2)))
    : der(0x18, Buffer.from(text));
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 0x80
    ? [body.length]
    : body.length < 0x100
    ? [0x81, body.length]
    : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function pem(body: Buffer): string {
  const lines = body.toString("base64").replace(/(.{64})/g, "$1\n").trim();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
