import type {
  Extension,
  JsonGeneralNames,
  Name,
  PublicKey,
  X509Certificate,
} from "@peculiar/x509";
import { createPrivateKey, X509Certificate as X509Reader } from "node:crypto";
import { isIP } from "node:net";
import { Fault } from "../protocol/fault.ts";
import {
  type CrlEntry,
  type CrlIssuer,
  readOwnEntries,
  revokedEntries,
  signCrl,
} from "./crl_writer.ts";
import { encodePem } from "./pem.ts";
import {
  exportSigningKey,
  generateSigningKeys,
  importSigningKey,
  SIGNING_ALGORITHM,
} from "./signing_key.ts";
import { loadX509Library, type X509Library } from "./x509_library.ts";

const DAY_MS = 86_400_000;
/** Ours to choose, and migasfree's: twenty years. */
const CA_VALIDITY_DAYS = 7305;
/** A certificate must not be from the future where the clock is slow. */
const BACKDATE_MS = 60 * 60_000;
/** RFC 5280 §4.1.2.2 allows 20, of which ours never use the highest bit. */
const SERIAL_BYTES = 16;

const CA_NAME_SUFFIX = " Root CA";

/** From when until when a certificate may be used. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A certificate and its key, in PEM; the key is PKCS#8. */
export interface IssuedCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
}

/** A subject's attributes in the order of the certificate. */
export type SubjectNames = readonly (readonly [type: string, value: string])[];

/** What {@linkcode CertificateAuthority.issue} puts in a certificate. */
export interface CertificateRequest {
  readonly subject: SubjectNames;
  readonly usage: "server" | "client";
  /** DNS names and addresses that it is good for. */
  readonly hosts?: readonly string[];
  readonly validity: Validity;
}

/** Returns a validity of `dayCount` days from `now`, begun an hour ago. */
export function validityOfDays(dayCount: number, now: Date): Validity {
  return {
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() + dayCount * DAY_MS),
  };
}

/**
 * A private CA that names its certificates as migasfree does. P-256 keys,
 * ECDSA with SHA-256. Certificates never outlive it.
 */
export class CertificateAuthority {
  readonly #issuer: CrlIssuer;
  readonly certPem: string;
  readonly keyPem: string;
  /** The site's name: O of the certificates for computers and operators. */
  readonly host: string;

  private constructor(
    certificate: X509Certificate,
    key: CryptoKey,
    keyPem: string,
  ) {
    this.#issuer = { certificate, key };
    this.certPem = encodePem(
      new Uint8Array(certificate.rawData),
      "CERTIFICATE",
    );
    this.keyPem = keyPem;
    const [name = ""] = certificate.subjectName.getField("CN");
    this.host = name.endsWith(CA_NAME_SUFFIX)
      ? name.slice(0, -CA_NAME_SUFFIX.length)
      : name;
  }

  /** Makes a new one: `O=migasfree, CN=<host> Root CA`. */
  static async create(
    host: string,
    validity: Validity = validityOfDays(CA_VALIDITY_DAYS, new Date()),
  ): Promise<CertificateAuthority> {
    const x509 = await loadX509Library();
    const keys = await generateSigningKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: randomSerial(),
      name: utf8Name(x509, [
        ["O", "migasfree"],
        ["CN", host + CA_NAME_SUFFIX],
      ]),
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      ...validity,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.cRLSign |
            x509.KeyUsageFlags.keyCertSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const keyPem = await exportSigningKey(keys.privateKey);
    return new CertificateAuthority(certificate, keys.privateKey, keyPem);
  }

  /**
   * Reads one that {@linkcode create} made.
   *
   * @throws {Fault} `configInvalid` if a text is broken, the key is not P-256
   * in PKCS#8, or the two do not belong together.
   */
  static async load(
    certPem: string,
    keyPem: string,
  ): Promise<CertificateAuthority> {
    const x509 = await loadX509Library();
    try {
      const key = await importSigningKey(keyPem);
      if (new X509Reader(certPem).checkPrivateKey(createPrivateKey(keyPem))) {
        const certificate = new x509.X509Certificate(certPem);
        return new CertificateAuthority(certificate, key, keyPem);
      }
    } catch (cause) {
      throw unusable("its certificate or its P-256 key is broken", cause);
    }
    throw unusable("its key belongs to another certificate", undefined);
  }

  /** `O=migasfree, OU=Core, CN=<first host>`, for a TLS server. */
  async issueGateway(
    hosts: readonly [string, ...string[]],
    validity: Validity,
  ): Promise<IssuedCertificate> {
    return await this.issue({
      subject: [["O", "migasfree"], ["OU", "Core"], ["CN", hosts[0]]],
      usage: "server",
      hosts: hosts.flatMap((host) => isIP(host) ? [host] : [host, `*.${host}`]),
      validity,
    });
  }

  /** `O=<host>, OU=COMPUTERS, CN=<name>`, for an agent. */
  async issueComputer(
    name: string,
    validity: Validity,
  ): Promise<IssuedCertificate> {
    return await this.issue({
      subject: [["O", this.host], ["OU", "COMPUTERS"], ["CN", name]],
      usage: "client",
      validity,
    });
  }

  /** `O=<host>, OU=ADMINS, CN=<name>`, for an operator. */
  async issueOperator(
    name: string,
    validity: Validity,
  ): Promise<IssuedCertificate> {
    return await this.issue({
      subject: [["O", this.host], ["OU", "ADMINS"], ["CN", name]],
      usage: "client",
      validity,
    });
  }

  /** Makes a key and a certificate for it, whatever its name. */
  async issue(request: CertificateRequest): Promise<IssuedCertificate> {
    const keys = await generateSigningKeys();
    const certified = await this.certify(request, keys.publicKey);
    return { ...certified, keyPem: await exportSigningKey(keys.privateKey) };
  }

  /** Makes a certificate for a key that somebody else has. */
  async certify(
    request: CertificateRequest,
    publicKey: PublicKey | CryptoKey,
  ): Promise<Omit<IssuedCertificate, "keyPem">> {
    const { hosts = [], subject, usage, validity } = request;
    const { certificate: authority, key: signingKey } = this.#issuer;
    const x509 = await loadX509Library();
    const extensions: Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        usage === "server"
          ? x509.ExtendedKeyUsage.serverAuth
          : x509.ExtendedKeyUsage.clientAuth,
      ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(
        authority.publicKey,
      ),
    ];
    if (hosts.length > 0) {
      const names: JsonGeneralNames = hosts.map((value) => ({
        type: isIP(value) ? x509.IP : x509.DNS,
        value,
      }));
      extensions.push(new x509.SubjectAlternativeNameExtension(names));
    }
    const endMs = Math.min(
      validity.notAfter.getTime(),
      authority.notAfter.getTime(),
    );
    const serial = randomSerial();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: utf8Name(x509, subject),
      issuer: authority.subjectName,
      notBefore: validity.notBefore,
      notAfter: new Date(endMs),
      publicKey,
      signingKey,
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions,
    });
    return {
      certPem: encodePem(new Uint8Array(certificate.rawData), "CERTIFICATE"),
      serial,
    };
  }

  /** Makes a CRL in PEM that lists `serials` (hexadecimal) as of `now`. */
  async createCrl(
    serials: readonly string[],
    now: Date = new Date(),
  ): Promise<string> {
    return await signCrl(await revokedEntries(serials, now), this.#issuer, now);
  }

  /**
   * Makes the successor of a CRL of ours, with `serials` (hexadecimal) added.
   * What was revoked before keeps its date.
   *
   * @throws {Fault} `configInvalid` if `crlPem` is broken or not ours.
   */
  async extendCrl(
    crlPem: string,
    serials: readonly string[],
    now: Date = new Date(),
  ): Promise<string> {
    let before: CrlEntry[];
    try {
      before = await readOwnEntries(crlPem, this.#issuer);
    } catch (cause) {
      throw unusable("its CRL is broken or of another CA", cause);
    }
    const added = await revokedEntries(serials, now);
    return await signCrl([...added, ...before], this.#issuer, now);
  }
}

/** UTF8String throughout, so that no character changes the type of string. */
function utf8Name(x509: X509Library, subject: SubjectNames): Name {
  return new x509.Name(
    subject.map(([type, value]) => ({ [type]: [{ utf8String: value }] })),
  );
}

/** Random, positive, and always of {@linkcode SERIAL_BYTES}. */
function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toHex();
}

function unusable(fact: string, cause: unknown): Fault {
  return new Fault("configInvalid", `Cannot use the CA: ${fact}`, {
    hint: "Restore the directory of the CA from a backup",
    cause,
  });
}
