import type { Stats } from "node:fs";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Fault } from "../protocol/fault.ts";

/** Largest file that is read whole. Ours to choose: a CRL of a big fleet. */
export const FILE_MAX_BYTES = 32 * 1024 * 1024;

/** What the system's error codes mean to a person, and what to do. */
const REASONS: Readonly<Record<string, readonly [fact: string, hint: string]>> =
  {
    EEXIST: ["it exists already", "Choose another path, or move it away first"],
    ENOENT: ["there is no such file", "Check the path"],
    ENOTDIR: ["a part of its path is no directory", "Check the path"],
    EISDIR: ["it is a directory", "Name a file"],
    EACCES: [
      "this user may not",
      "Run as the user who owns it, or give this user the right",
    ],
    EPERM: [
      "this user may not",
      "Run as the user who owns it, or give this user the right",
    ],
    EROFS: ["the file system is read-only", "Choose a path that is writable"],
    ENOSPC: ["the disk is full", "Free some space"],
  };

/**
 * Reads a UTF-8 text file.
 *
 * @param whatItIs As a person calls it, "CA certificate" for one.
 * @throws {Fault} `configInvalid` if it cannot be read, is no UTF-8 or is
 * larger than {@linkcode FILE_MAX_BYTES}.
 */
export async function readText(
  path: string,
  whatItIs: string,
): Promise<string> {
  const bytes = await readBytes(path, whatItIs);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Fault(
      "configInvalid",
      `Cannot read ${whatItIs}: ${path} is no UTF-8 text`,
      { hint: "Save it as UTF-8", cause },
    );
  }
}

/**
 * Reads a file.
 *
 * @throws {Fault} `configInvalid` if it cannot be read or is larger than
 * {@linkcode FILE_MAX_BYTES}.
 */
export async function readBytes(
  path: string,
  whatItIs: string,
): Promise<Uint8Array> {
  let found: Stats;
  try {
    found = await stat(path);
    // Only of a regular file does the size say how much there is to read.
    if (found.isFile() && found.size <= FILE_MAX_BYTES) {
      return await readFile(path);
    }
  } catch (error) {
    throw fileFault(`read ${whatItIs}`, path, error);
  }
  const fact = found.isFile()
    ? `is larger than ${FILE_MAX_BYTES} bytes`
    : "is no regular file";
  throw new Fault("configInvalid", `Cannot read ${whatItIs}: ${path} ${fact}`, {
    hint: "Check the path",
  });
}

/**
 * Creates a file that does not exist yet, and removes it again if it cannot
 * be written whole.
 *
 * @param mode Permissions, whatever the umask. Windows knows no such bits.
 * @throws {Fault} `configInvalid` if it exists, or cannot be written.
 */
export async function createFile(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  let isOurs = false;
  try {
    // "wx" is O_CREAT and O_EXCL: it follows no symbolic link.
    await using file = await open(path, "wx", mode);
    isOurs = true;
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    if (isOurs) await rm(path, { force: true });
    throw fileFault("create file", path, error);
  }
}

/**
 * Writes a file so that whoever reads it sees the old content or the new,
 * never a part: beside it first, then by renaming.
 *
 * @param mode As for {@linkcode createFile}.
 * @throws {Fault} `configInvalid` if it cannot be written; the old content
 * is still there.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const beside = besidePath(path);
  await createFile(beside, content, mode);
  try {
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw fileFault("write file", path, error);
  }
}

/** Returns a hidden path in the same directory that nobody else uses. */
export function besidePath(path: string): string {
  const random = crypto.getRandomValues(new Uint8Array(8)).toHex();
  return join(dirname(path), `.${basename(path)}.${random}`);
}

/** Makes a `configInvalid` fault of what the file system threw. */
export function fileFault(action: string, path: string, error: unknown): Fault {
  const code = errorCode(error) ?? "no code";
  const [fact, hint] = REASONS[code] ??
    [`the system says ${code}`, "Check the path and the disk"];
  return new Fault("configInvalid", `Cannot ${action} ${path}: ${fact}`, {
    hint,
    cause: error,
  });
}

/** Returns the system's code of what the file system threw, `ENOENT` say. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
