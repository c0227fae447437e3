import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { fileChange, fileStamp } from "./file_watch.ts";
import { readText } from "./files.ts";
import type { TlsMaterial } from "./ws_dial.ts";

/** Where the PEM files are; undefined where a role has none. */
export interface IdentityPaths {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
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
    const { caFile, certFile, keyFile } = this.#paths;
    const [ca, cert, key] = await Promise.all([
      readPem(caFile, "CA certificate"),
      readPem(certFile, "certificate"),
      readPem(keyFile, "key"),
    ]);
    if (cert !== undefined && key !== undefined) {
      checkPair(cert, key, certFile ?? "", keyFile ?? "");
    }
    this.#material = { ca, cert, key, insecure: this.#insecure };
    this.#stamp = stamp;
    return this.#material;
  }

  /**
   * Resolves when a file differs from what was last read, and the new pair
   * fits: a renewal that is half written is not yet a change.
   *
   * @throws `signal.reason` once aborted, and nothing else.
   */
  async changed(signal: AbortSignal): Promise<void> {
    let stamp = this.#stamp;
    for (;;) {
      const known = stamp;
      await fileChange(this.#watched, () => known, this.#clock, signal);
      stamp = this.#stampNow();
      const fits = await this.read().then(() => true, () => false);
      if (fits) return;
    }
  }

  get #watched(): string[] {
    const { caFile, certFile, keyFile } = this.#paths;
    return [caFile, certFile, keyFile].filter((path) => path !== undefined);
  }

  #stampNow(): string {
    return this.#watched.map(fileStamp).join();
  }
}

async function readPem(
  path: string | undefined,
  what: string,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readText(path, what);
  if (text.includes("-----BEGIN ")) return text;
  throw new Fault("configInvalid", `Cannot use ${what} ${path}: it is no PEM`, {
    hint: "Give the file that begins with -----BEGIN",
  });
}

function checkPair(
  cert: string,
  key: string,
  certFile: string,
  keyFile: string,
): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
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
