import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { Fault } from "../protocol/fault.ts";
import { encodePem } from "./pem.ts";
import { readPkcs12 } from "./pkcs12.ts";

/** Certificates that are looked at. Ours to choose: a chain has three. */
const CERTIFICATES_MAX_COUNT = 64;

/** Who somebody is, as the files of an operator's folder have it; PEM texts. */
export interface Pkcs12Identity {
  /** The certificate, and behind it what links it to the CA. */
  readonly cert: string;
  /** PKCS#8, not encrypted. */
  readonly key: string;
  /** The CA certificates that came along; undefined: none did. */
  readonly ca: string | undefined;
  /** Attributes of the certificate's subject, `O` and `CN` among them. */
  readonly subject: Readonly<
    Record<string, string | readonly string[] | undefined>
  >;
  readonly validTo: Date;
}

/**
 * Opens the PKCS#12 file of one person: one key, its certificate, and perhaps
 * the CA's.
 *
 * @param whatItIs The file, as sentences name it.
 * @throws {Fault} `configInvalid` as for {@linkcode readPkcs12}, and if there
 * is no key in it, several, or none of the certificates is the key's.
 */
export async function openPkcs12Identity(
  bytes: Uint8Array,
  password: string,
  whatItIs: string,
): Promise<Pkcs12Identity> {
  const { certificates, keys } = await readPkcs12(bytes, password, whatItIs);
  const [keyDer, ...others] = keys;
  if (!keyDer) throw unfit(whatItIs, "there is no key in it");
  if (others.length > 0) {
    throw unfit(whatItIs, `there are ${keys.length} keys in it`);
  }
  if (certificates.length > CERTIFICATES_MAX_COUNT) {
    throw unfit(whatItIs, `it has over ${CERTIFICATES_MAX_COUNT} certificates`);
  }
  const { chain, key } = parsed(certificates, keyDer, whatItIs);
  const own = chain.find((certificate) => certificate.checkPrivateKey(key));
  if (!own) throw unfit(whatItIs, "no certificate in it is that of its key");
  const rest = chain.filter((certificate) => certificate !== own);
  const isRoot = ({ issuer, subject }: X509Certificate) => issuer === subject;
  const roots = rest.filter(isRoot);
  const between = rest.filter((certificate) => !isRoot(certificate));
  return {
    cert: [own, ...between].map(pemOf).join(""),
    key: encodePem(keyDer, "PRIVATE KEY"),
    ca: roots.length === 0 ? undefined : roots.map(pemOf).join(""),
    subject: { ...own.toLegacyObject().subject },
    validTo: own.validToDate,
  };
}

function parsed(
  certificates: readonly Uint8Array[],
  keyDer: Uint8Array,
  whatItIs: string,
): { chain: X509Certificate[]; key: KeyObject } {
  try {
    return {
      chain: certificates.map((der) => new X509Certificate(der)),
      key: createPrivateKey({
        key: Buffer.from(keyDer),
        format: "der",
        type: "pkcs8",
      }),
    };
  } catch (cause) {
    throw unfit(
      whatItIs,
      "a certificate or the key in it is unreadable",
      cause,
    );
  }
}

function pemOf({ raw }: X509Certificate): string {
  return encodePem(raw, "CERTIFICATE");
}

function unfit(whatItIs: string, fact: string, cause?: unknown): Fault {
  return new Fault("configInvalid", `Cannot use ${whatItIs}: ${fact}`, {
    hint: "Ask the site's administrator for one with certificate and key",
    cause,
  });
}
