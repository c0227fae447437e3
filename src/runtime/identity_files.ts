import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { fileChange, fileStamp } from "./file_watch.ts";
import { errorCode, readText } from "./files.ts";
import { decodePem } from "./pem.ts";
import { isPlainPair } from "./plain_pair.ts";
import type { TlsMaterial } from "./ws_dial.ts";
import { readValidity, type Validity } from "./x509_fields.ts";

/** Where the PEM files are; undefined where a role has none. */
export interface IdentityPaths {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /**
   * A later certificate for the same key, if it is there: what cannot be read
   * or does not fit is left aside, and the one in `certFile` holds.
   */
  readonly renewedFile?: string | undefined;
  /**
   * Whether `caFile` is believed beside the authorities of the system, and
   * need not be there yet; without one, they alone are. Else it alone is
   * believed.
   */
  readonly isCaAdded?: boolean;
  /** Whether certificate and key need not be there yet, neither of them. */
  readonly isPairOptional?: boolean;
}

/** A certificate and its key on disk, which may be renewed at any time. */
export class IdentityFiles {
  readonly #paths: IdentityPaths;
  readonly #insecure: boolean;
  readonly #clock: Clock;
  #stamp = "";
  #material: TlsMaterial | undefined;

  constructor(paths: IdentityPaths, insecure: boolean, clock: Clock) {
    this.#paths = paths;
    this.#insecure = insecure;
    this.#clock = clock;
  }

  /**
   * Returns the files as they are now; they are read again only if changed.
   *
   * @throws {Fault} `configInvalid` if one cannot be read, is no PEM, or the
   * key is another certificate's.
   */
  async read(): Promise<TlsMaterial> {
    const stamp = this.#stampNow();
    if (this.#material && stamp === this.#stamp) return this.#material;
    const { caFile, certFile, keyFile, isCaAdded = false, isPairOptional } =
      this.#paths;
    const [ca, first, key] = await Promise.all([
      readPem(caFile, "CA certificate", this.#mayLackCa),
      readPem(certFile, "certificate", this.#mayLackPair),
      readPem(keyFile, "key", this.#mayLackPair),
    ]);
    const cert = await later(first, key, this.#paths.renewedFile);
    if (cert !== undefined && key !== undefined) {
      await checkPair(cert, key, certFile ?? "", keyFile ?? "");
    } else if (isPairOptional && cert !== key) {
      throw halfPair(certFile ?? "", keyFile ?? "");
    }
    const material = {
      ca: isCaAdded && (ca !== undefined || caFile === undefined)
        ? await besideSystem(ca)
        : ca,
      cert,
      key,
      insecure: this.#insecure,
    };
    // Written anew with what it held before is no change to anybody.
    if (!isSame(material, this.#material)) this.#material = material;
    this.#stamp = stamp;
    return this.#material ?? material;
  }

  /**
   * Resolves when a file holds something else than was last read, and the new
   * pair fits: a renewal that is half written is not yet a change. migasfree's
   * client writes its CA anew each time it runs, mostly with what it held.
   *
   * @throws `signal.reason` once aborted, and nothing else.
   */
  async changed(signal: AbortSignal): Promise<void> {
    const last = this.#material;
    let stamp = this.#stamp;
    for (;;) {
      const known = stamp;
      await fileChange(this.#watched, () => known, this.#clock, signal);
      stamp = this.#stampNow();
      // Half written, perhaps: the next stamp will tell.
      const now = await this.read().catch(() => undefined);
      if (now !== undefined && now !== last) return;
    }
  }

  /** What was there and has gone is a renewal under way. */
  get #mayLackCa(): boolean {
    return this.#paths.isCaAdded === true && this.#material?.ca === undefined;
  }

  get #mayLackPair(): boolean {
    return this.#paths.isPairOptional === true &&
      this.#material?.cert === undefined;
  }

  get #watched(): string[] {
    const { caFile, certFile, keyFile, renewedFile } = this.#paths;
    return [caFile, certFile, keyFile, renewedFile].filter((path) =>
      path !== undefined
    );
  }

  #stampNow(): string {
    return this.#watched.map(fileStamp).join();
  }
}

function isSame(now: TlsMaterial, last: TlsMaterial | undefined): boolean {
  return last !== undefined && now.ca === last.ca && now.cert === last.cert &&
    now.key === last.key;
}

/** Returns what is in `renewedFile` if it fits, and ends later than `cert`. */
async function later(
  cert: string | undefined,
  key: string | undefined,
  renewedFile: string | undefined,
): Promise<string | undefined> {
  if (cert === undefined || key === undefined || renewedFile === undefined) {
    return cert;
  }
  try {
    const text = await readPem(renewedFile, "renewed certificate", true);
    if (text === undefined) return cert;
    const isLater = certificateDates(text).notAfterMs >
      certificateDates(cert).notAfterMs;
    return isLater && await isPair(text, key) ? text : cert;
  } catch {
    return cert; // Nobody is locked out by a file that is only an extra.
  }
}

async function readPem(
  path: string | undefined,
  what: string,
  isOptional: boolean,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readIfThere(path, what, isOptional);
  if (text === undefined) return undefined;
  if (text.includes("-----BEGIN ")) return text;
  throw new Fault("configInvalid", `Cannot use ${what} ${path}: it is no PEM`, {
    hint: "Give the file that begins with -----BEGIN",
  });
}

async function readIfThere(
  path: string,
  what: string,
  isOptional: boolean,
): Promise<string | undefined> {
  try {
    return await readText(path, what);
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (isOptional && errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
}

/** Returns `ca` with the authorities of the system; Bun's where it has none. */
async function besideSystem(ca: string | undefined): Promise<string> {
  const { getCACertificates } = await import("node:tls");
  const system = getCACertificates("system");
  const others = system.length > 0 ? system : getCACertificates("bundled");
  return [...ca === undefined ? [] : [ca], ...others].join("\n");
}

function halfPair(certFile: string, keyFile: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot use certificate ${certFile} with key ${keyFile}: one is missing`,
    { hint: "Wait until both are written, or remove the one that is there" },
  );
}

/**
 * Returns the dates of the first certificate in a PEM text.
 *
 * @throws {Error} if there is none.
 */
export function certificateDates(pem: string): Validity {
  const [raw] = decodePem(pem, "CERTIFICATE");
  if (!raw) throw new Error("There is no certificate in PEM");
  return readValidity(raw);
}

async function isPair(cert: string, key: string): Promise<boolean> {
  if (isPlainPair(cert, key)) return true;
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

async function checkPair(
  cert: string,
  key: string,
  certFile: string,
  keyFile: string,
): Promise<void> {
  let fits: boolean;
  try {
    fits = await isPair(cert, key);
  } catch (cause) {
    throw new Fault(
      "configInvalid",
      `Cannot use certificate ${certFile} with key ${keyFile}: not readable`,
      { hint: "Give an unencrypted PEM key (PKCS#1, PKCS#8 or SEC1)", cause },
    );
  }
  if (fits) return;
  throw new Fault(
    "configInvalid",
    `Cannot use certificate ${certFile}: key ${keyFile} is another's`,
    { hint: "Give the key that the certificate was made for" },
  );
}
