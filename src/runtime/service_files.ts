import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rmdir,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode, fileFault, writeFileAtomically } from "./files.ts";
import { requireOwn } from "./root_owned.ts";
import type { ServiceFiles } from "./service_control.ts";

/** Directories above what is written, where they are missing. */
const PARENT_MODE = 0o755;

/** The files of this machine. */
export const serviceFiles: ServiceFiles = {
  exists: async (path) => {
    try {
      await lstat(path);
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw fileFault("look at", path, error);
    }
  },
  write: async (path, text, mode) => {
    if (await contentOf(path) === text) return false;
    await makeDirectory(dirname(path), PARENT_MODE);
    await writeFileAtomically(path, text, mode);
    return true;
  },
  makeDirectory,
  remove: async (path) => {
    try {
      await removeTree(path);
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw fileFault("remove", path, error);
    }
  },
  requireOwn: (path) => {
    // Windows has no such bits; its program directories are administrators'.
    if (process.platform !== "win32") requireOwn(path);
  },
};

async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: PARENT_MODE });
    // Only what was made here: who has changed it had a reason.
    if (first !== undefined) await chmod(path, mode);
  } catch (error) {
    throw fileFault("make directory", path, error);
  }
}

/** Follows no link. Under Wine, Bun's own recursion fails. */
async function removeTree(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return await unlink(path);
  for (const name of await readdir(path)) await removeTree(join(path, name));
  await rmdir(path);
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw fileFault("read", path, error);
  }
}

function isAbsence(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}
