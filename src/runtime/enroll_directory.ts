import { X509Certificate } from "node:crypto";
import { mkdir, readdir, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type {
  CheckedRequest,
  EnrollStore,
  KnownCertificate,
  PendingRenewal,
  TokenRecord,
  TokenUse,
} from "../policy/enroll_store.ts";
import { Fault } from "../protocol/fault.ts";
import {
  CertificateAuthority,
  validityOfDays,
} from "./certificate_authority.ts";
import {
  caPin,
  certificateKeyHash,
  readCertificateRequest,
} from "./certificate_request.ts";
import { commonNameOf } from "./common_name.ts";
import { EnrollFiles } from "./enroll_files.ts";
import { pendingRecordSchema, tokenRecordSchema } from "./enroll_records.ts";
import { createFile, errorCode, fileFault, readText } from "./files.ts";
import { decodePem, encodePem } from "./pem.ts";
import { PKI_FOLDERS } from "./pki_directory.ts";
import { loadRevocationList } from "./revocation_list.ts";
import { readCertificateId } from "./x509_fields.ts";

const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;

/** A name is a folder: the same that `pki computer` takes. */
const NAME_REGEXP = /^[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}$/;

/** Requests that wait for a person; more than this is somebody's mischief. */
const PENDING_MAX_COUNT = 10_000;

/** The directory of `pki`, as a small CA for computers that enrol. */
export class EnrollDirectory implements EnrollStore {
  readonly #root: string;
  readonly #files: EnrollFiles;

  constructor(dir: string) {
    this.#root = resolve(dir);
    this.#files = new EnrollFiles(this.#root);
  }

  async caPem(): Promise<string> {
    return await readText(join(this.#root, "ca.pem"), "certificate of the CA");
  }

  async site(): Promise<string> {
    return (await this.#authority()).host;
  }

  /** What a token names the CA by. @throws {Fault} `configInvalid` */
  async pin(): Promise<string> {
    return caPin(await this.caPem());
  }

  async createToken(token: TokenRecord): Promise<void> {
    await this.#files.create("tokens", token.id, token);
  }

  /** Forgets tokens that ended before `nowMs`, used or not. */
  async forgetTokens(nowMs: number): Promise<void> {
    for (const folder of ["tokens", "used"] as const) {
      for (const id of await this.#files.list(folder)) {
        const token = await this.#files.read(folder, id, tokenRecordSchema);
        if (token && token.expiresAtMs < nowMs) {
          await this.#files.remove(folder, id);
        }
      }
    }
  }

  async findToken(id: string): Promise<TokenRecord | undefined> {
    return await this.#files.read("tokens", id, tokenRecordSchema) ??
      await this.#usedToken(id);
  }

  async takeToken(id: string): Promise<boolean> {
    return await this.#files.move(id, "tokens", "used");
  }

  async noteUse(token: TokenRecord, use: TokenUse): Promise<void> {
    await this.#files.write("used", token.id, { ...token, use });
  }

  async readRequest(csrPem: string): Promise<CheckedRequest> {
    const { keyHash, subject } = await readCertificateRequest(csrPem);
    return { keyHash, subject };
  }

  async reserve(commonName: string): Promise<boolean> {
    const path = this.#recordsPath(commonName);
    try {
      await mkdir(join(path, ".."), { recursive: true, mode: DIRECTORY_MODE });
      await mkdir(path, { mode: DIRECTORY_MODE });
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw fileFault("create directory", path, error);
    }
  }

  async unreserve(commonName: string): Promise<void> {
    const path = this.#recordsPath(commonName);
    try {
      await rmdir(path);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTEMPTY") return;
      throw fileFault("remove directory", path, error);
    }
  }

  async issue(
    csrPem: string,
    commonName: string,
    dayCount: number,
  ): Promise<KnownCertificate> {
    const { publicKey } = await readCertificateRequest(csrPem);
    const authority = await this.#authority();
    const { certPem, serial } = await authority.certify({
      subject: [
        ["O", authority.host],
        ["OU", "COMPUTERS"],
        ["CN", commonName],
      ],
      usage: "client",
      validity: validityOfDays(dayCount, new Date()),
    }, publicKey);
    const path = this.#recordsPath(commonName);
    try {
      await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    } catch (error) {
      throw fileFault("create directory", path, error);
    }
    await createFile(join(path, `${serial}.pem`), certPem, PUBLIC_MODE);
    return knownCertificate(certPem, commonName);
  }

  async issuedTo(commonName: string): Promise<KnownCertificate[]> {
    const path = this.#recordsPath(commonName);
    const found: KnownCertificate[] = [];
    for (const name of await namesIn(path)) {
      const pem = await readText(join(path, name), "issued certificate");
      found.push(knownCertificate(pem, commonName));
    }
    return found.sort((one, other) => other.notAfterMs - one.notAfterMs);
  }

  async recall(pem: string): Promise<KnownCertificate | undefined> {
    let commonName: string | undefined;
    let shown: KnownCertificate;
    try {
      const [raw] = decodePem(pem, "CERTIFICATE");
      const clean = encodePem(raw ?? new Uint8Array(), "CERTIFICATE");
      commonName = commonNameOf(clean);
      shown = knownCertificate(clean, commonName ?? "");
    } catch {
      return undefined; // It is none; nobody has to know more.
    }
    if (commonName === undefined || !NAME_REGEXP.test(commonName)) {
      return undefined;
    }
    const known = await this.issuedTo(commonName);
    const [same] = known.filter(({ raw }) => isSame(raw, shown.raw));
    return same;
  }

  async isRevoked({ raw }: KnownCertificate): Promise<boolean> {
    const crl = join(this.#root, "crl.pem");
    const list = await loadRevocationList([crl], await this.caPem());
    return list.isRevoked(raw);
  }

  async ask(pending: PendingRenewal): Promise<boolean> {
    const { id } = pending;
    const approved = await this.#files.read(
      "approved",
      id,
      pendingRecordSchema,
    );
    if (approved) return false;
    const waiting = await this.#files.list("pending");
    if (waiting.includes(id)) return false;
    if (waiting.length >= PENDING_MAX_COUNT) {
      throw new Fault(
        "quotaExceeded",
        `Cannot wait for approval: ${PENDING_MAX_COUNT} computers do already`,
        { hint: "Approve them, or remove what is in enroll/pending" },
      );
    }
    return await this.#files.create("pending", id, pending);
  }

  async pending(): Promise<PendingRenewal[]> {
    const found: PendingRenewal[] = [];
    for (const id of await this.#files.list("pending")) {
      const record = await this.#files.read("pending", id, pendingRecordSchema);
      if (record) found.push(record);
    }
    return found;
  }

  /** Lets a request through. Returns false if none waits under this id. */
  async approve(id: string): Promise<boolean> {
    return await this.#files.move(id, "pending", "approved");
  }

  async takeApproval(id: string): Promise<boolean> {
    if (!await this.#files.move(id, "approved", "used")) return false;
    await this.#files.remove("used", id);
    return true;
  }

  async #usedToken(id: string): Promise<TokenRecord | undefined> {
    const token = await this.#files.read("used", id, tokenRecordSchema);
    // Whoever was killed on the way has used it all the same.
    return token && { ...token, use: token.use ?? NOTHING };
  }

  async #authority(): Promise<CertificateAuthority> {
    const keyPem = await readText(join(this.#root, "ca.key"), "key of the CA");
    return await CertificateAuthority.load(await this.caPem(), keyPem);
  }

  #recordsPath(commonName: string): string {
    return join(this.#root, "issued", PKI_FOLDERS.computer, commonName);
  }
}

/** No key has this hash. */
const NOTHING: TokenUse = { keyHash: "0", commonName: "", serial: "0" };

function knownCertificate(pem: string, commonName: string): KnownCertificate {
  const certificate = new X509Certificate(pem);
  const raw = new Uint8Array(certificate.raw);
  return {
    commonName,
    serial: readCertificateId(raw).serialKey,
    keyHash: certificateKeyHash(certificate),
    pem,
    raw,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => name.endsWith(".pem"));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw fileFault("list", path, error);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, at) => byte === other[at]);
}
