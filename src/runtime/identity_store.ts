import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../protocol/fault.ts";
import {
  errorCode,
  fileFault,
  readText,
  writeFileAtomically,
} from "./files.ts";
import { decodePem } from "./pem.ts";
import type { Pkcs12Identity } from "./pkcs12_identity.ts";

const DIRECTORY_MODE = 0o700;
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;

/** Where the parts of an identity are. The keys are a stable output. */
export interface StoredIdentity {
  readonly "cert_file": string;
  readonly "key_file": string;
  /** Undefined: neither was there one, nor did one come along. */
  readonly "ca_file": string | undefined;
}

interface StoredFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/**
 * Puts `cert.pem`, `key.pem` (mode 0600) and `ca.pem` into `folder`, which is
 * made, or made private. What is there already and says the same stays as it
 * is, so that a store that was cut short can be repeated.
 *
 * @param mayReplace Whether what is there and says something else is lost.
 * @throws {Fault} `configInvalid` if it is and may not be, or if a file cannot
 * be written.
 */
export async function storeIdentity(
  folder: string,
  identity: Pick<Pkcs12Identity, "ca" | "cert" | "key">,
  mayReplace: boolean,
): Promise<StoredIdentity> {
  const at = (name: string) => join(folder, name);
  const { ca, cert, key } = identity;
  // The certificate last: where it is, all of it is there.
  const files: StoredFile[] = [
    { path: at("key.pem"), content: key, mode: SECRET_MODE },
    ...ca === undefined
      ? []
      : [{ path: at("ca.pem"), content: ca, mode: PUBLIC_MODE }],
    { path: at("cert.pem"), content: cert, mode: PUBLIC_MODE },
  ];
  await makePrivate(folder);
  const missing: StoredFile[] = [];
  for (const file of files) {
    const there = await readIfThere(file.path);
    if (there !== undefined && holds(there, file.content)) continue;
    if (there !== undefined && !mayReplace) throw taken(file.path);
    missing.push(file);
  }
  for (const { content, mode, path } of missing) {
    await writeFileAtomically(path, content, mode);
  }
  // A key that was there already may have been anybody's to read.
  await changeMode(at("key.pem"), SECRET_MODE);
  const hasCa = await readIfThere(at("ca.pem")) !== undefined;
  return {
    "cert_file": at("cert.pem"),
    "key_file": at("key.pem"),
    "ca_file": hasCa ? at("ca.pem") : undefined,
  };
}

async function makePrivate(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw fileFault("make directory", folder, error);
  }
  await changeMode(folder, DIRECTORY_MODE);
}

async function changeMode(path: string, mode: number): Promise<void> {
  try {
    await chmod(path, mode);
  } catch (error) {
    throw fileFault("make private", path, error);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path, "file");
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether `there` has each block of `content`, whatever stands around them. */
function holds(there: string, content: string): boolean {
  const blocks = (text: string) =>
    ["CERTIFICATE", "PRIVATE KEY"].flatMap((label) =>
      decodePem(text, label).map((bytes) => bytes.toBase64())
    );
  try {
    const known = new Set(blocks(there));
    return blocks(content).every((block) => known.has(block));
  } catch {
    return false; // It is no PEM: then it says something else.
  }
}

function taken(path: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot write ${path}: it is there already, with something else in it`,
    { hint: "Move it away, or import with --replace" },
  );
}
