import { lstat, mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Fault } from "../protocol/fault.ts";
import {
  CertificateAuthority,
  type IssuedCertificate,
  validityOfDays,
} from "./certificate_authority.ts";
import {
  besidePath,
  createFile,
  errorCode,
  fileFault,
  readText,
  writeFileAtomically,
} from "./files.ts";
import { decodePem } from "./pem.ts";
import { readCertificateId } from "./x509_fields.ts";

/** Whom a client certificate is for, and the folder of their certificates. */
export const PKI_FOLDERS = {
  computer: "computers",
  operator: "operators",
} as const;

export type PkiRole = keyof typeof PKI_FOLDERS;

/** Absolute paths of what a command made. The keys are its stable output. */
export type PkiFiles = Readonly<Record<string, string>>;

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;

/**
 * Makes a CA, the gateway's certificate and an empty CRL in `dir`, which may
 * exist but must have none of it. On failure nothing is left behind.
 *
 *     ca.pem  ca.key  crl.pem        the CA
 *     gateway/{ca,cert,key}.pem      of the TLS server
 *     computers/NAME/…               one such folder for each computer
 *     operators/NAME/…               and for each operator
 *     issued/computers/NAME/…        every certificate ever, by serial number
 *
 * @param hosts Names and addresses of the gateway; the first names the CA.
 * @throws {Fault} `configInvalid` if something is there already, or cannot
 * be written.
 */
export async function initPki(
  dir: string,
  hosts: readonly [string, ...string[]],
  dayCount: number,
): Promise<PkiFiles> {
  const root = resolve(dir);
  const paths = {
    key: join(root, "ca.key"),
    gateway: join(root, "gateway"),
    crl: join(root, "crl.pem"),
    ca: join(root, "ca.pem"),
  };
  const others = [...Object.values(PKI_FOLDERS), "issued"];
  for (const path of [...Object.values(paths), ...others]) {
    await refuseExisting(resolve(root, path)); // an absolute one stays
  }
  const authority = await CertificateAuthority.create(hosts[0]);
  const validity = validityOfDays(dayCount, new Date());
  const gateway = await authority.issueGateway(hosts, validity);
  const crlPem = await authority.createCrl([]);

  const made: string[] = [];
  const topmost = await makeDirectory(root);
  try {
    // First: of two who make a CA here at once, one stops before it harms.
    await createFile(paths.key, authority.keyPem, SECRET_MODE);
    made.push(paths.key);
    await createCertificateFolder(paths.gateway, gateway, authority.certPem);
    made.push(paths.gateway);
    await createFile(paths.crl, crlPem, PUBLIC_MODE);
    made.push(paths.crl);
    await createFile(paths.ca, authority.certPem, PUBLIC_MODE);
  } catch (error) {
    for (const path of made.reverse()) {
      await rm(path, { recursive: true, force: true });
    }
    if (topmost !== undefined) await removeEmpty(root, topmost);
    throw error;
  }
  return {
    ca_file: paths.ca,
    cert_file: join(paths.gateway, "cert.pem"),
    key_file: join(paths.gateway, "key.pem"),
    crl_file: paths.crl,
  };
}

/**
 * Makes the folder of a client's certificate. On failure none is left behind.
 *
 * @param name Safe as a file's name: nothing here checks it.
 * @throws {Fault} `configInvalid` if the CA cannot be used, the folder is
 * there already, or cannot be written.
 */
export async function issuePkiCertificate(
  dir: string,
  role: PkiRole,
  name: string,
  dayCount: number,
): Promise<PkiFiles> {
  const root = resolve(dir);
  const folder = join(root, PKI_FOLDERS[role], name);
  await refuseExisting(folder);
  const authority = await openAuthority(root);
  const validity = validityOfDays(dayCount, new Date());
  const issued = role === "computer"
    ? await authority.issueComputer(name, validity)
    : await authority.issueOperator(name, validity);
  // Before anybody can have it: what is not recorded cannot be revoked.
  const records = recordsPath(root, role, name);
  const record = join(records, `${issued.serial}.pem`);
  await makeDirectory(records);
  await createFile(record, issued.certPem, PUBLIC_MODE);
  try {
    await makeDirectory(join(root, PKI_FOLDERS[role]));
    await createCertificateFolder(folder, issued, authority.certPem);
  } catch (error) {
    await rm(record, { force: true });
    throw error;
  }
  return {
    ca_file: join(folder, "ca.pem"),
    cert_file: join(folder, "cert.pem"),
    key_file: join(folder, "key.pem"),
  };
}

/** Returns the roles that `name` ever had a certificate in. */
export async function issuedRoles(
  dir: string,
  name: string,
): Promise<PkiRole[]> {
  const roles: PkiRole[] = ["computer", "operator"];
  const serials = await Promise.all(
    roles.map((role) => recordNames(recordsPath(resolve(dir), role, name))),
  );
  return roles.filter((_role, at) => (serials[at]?.length ?? 0) > 0);
}

/**
 * Revokes every certificate that `name` ever had in `role`, by a new CRL.
 *
 * @throws {Fault} `configInvalid` if the CA cannot be used, another command
 * writes the CRL, or it cannot be written.
 */
export async function revokePkiCertificates(
  dir: string,
  role: PkiRole,
  name: string,
): Promise<PkiFiles> {
  const records = recordsPath(resolve(dir), role, name);
  const serials: string[] = [];
  for (const file of await recordNames(records)) {
    const pem = await readText(join(records, file), "issued certificate");
    for (const raw of decodePem(pem, "CERTIFICATE")) {
      serials.push(readCertificateId(raw).serialKey);
    }
  }
  return await renewPkiCrl(dir, serials);
}

/**
 * Writes a new CRL with what the old one lists and `serials` (hexadecimal).
 *
 * @throws {Fault} `configInvalid` as {@linkcode revokePkiCertificates} does.
 */
export async function renewPkiCrl(
  dir: string,
  serials: readonly string[],
): Promise<PkiFiles> {
  const root = resolve(dir);
  const authority = await openAuthority(root);
  const crl = join(root, "crl.pem");
  const lock = join(root, "crl.lock");
  await takeLock(lock);
  try {
    const before = await readText(crl, "revocation list");
    const after = await authority.extendCrl(before, serials);
    await writeFileAtomically(crl, after, PUBLIC_MODE);
  } finally {
    await rm(lock, { force: true });
  }
  return { crl_file: crl };
}

/** Two who add to the CRL at once would lose what one of them added. */
async function takeLock(path: string): Promise<void> {
  try {
    await createFile(path, `${process.pid}\n`, SECRET_MODE);
  } catch (error) {
    if (!(error instanceof Fault) || errorCode(error.cause) !== "EEXIST") {
      throw error;
    }
    throw new Fault(
      "configInvalid",
      "Cannot write CRL: another command writes it",
      { hint: `Try again; if no command runs, remove ${path}`, cause: error },
    );
  }
}

async function openAuthority(root: string): Promise<CertificateAuthority> {
  const certPem = await readText(join(root, "ca.pem"), "certificate of the CA");
  const keyPem = await readText(join(root, "ca.key"), "key of the CA");
  return await CertificateAuthority.load(certPem, keyPem);
}

/** Makes `{cert,key,ca}.pem` in a folder that appears whole or not at all. */
async function createCertificateFolder(
  path: string,
  issued: IssuedCertificate,
  caPem: string,
): Promise<void> {
  const beside = besidePath(path);
  await makeDirectory(beside);
  try {
    await createFile(join(beside, "cert.pem"), issued.certPem, PUBLIC_MODE);
    await createFile(join(beside, "key.pem"), issued.keyPem, SECRET_MODE);
    await createFile(join(beside, "ca.pem"), caPem, PUBLIC_MODE);
    await moveFolder(beside, path);
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw error;
  }
}

async function moveFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Somebody else's folder has come in between: it is not empty.
    const code = errorCode(error);
    if (code === "ENOTEMPTY" || code === "EEXIST") throw alreadyThere(to);
    throw fileFault("create folder", to, error);
  }
}

/** Returns the topmost directory that it had to make, if any. */
async function makeDirectory(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw fileFault("create directory", path, error);
  }
}

/** Removes `path` and its parents up to `topmost`, as far as none is used. */
async function removeEmpty(path: string, topmost: string): Promise<void> {
  for (let at = path; at.startsWith(topmost); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (errorCode(error) === "ENOTEMPTY") return;
      throw fileFault("remove", at, error);
    }
  }
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw fileFault("look at", path, error);
  }
  throw alreadyThere(path);
}

function alreadyThere(path: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot create ${path}: it is there already`,
    {
      hint: "Choose another name, or move it away; nothing is ever overwritten",
    },
  );
}

function recordsPath(root: string, role: PkiRole, name: string): string {
  return join(root, "issued", PKI_FOLDERS[role], name);
}

async function recordNames(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => name.endsWith(".pem"));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw fileFault("list", path, error);
  }
}
