import type { Stats } from "node:fs";
import { chmod, chown, realpath, rename, rm, stat } from "node:fs/promises";
import { besidePath, createFile, fileFault } from "./files.ts";

const UNFINISHED_MODE = 0o600;

/**
 * Writes a file that is there, as `writeFileAtomically()` does, and leaves it
 * to whom it belongs, with its mode: whoever could read it still can, and
 * nobody else. A symbolic link stays one.
 *
 * @throws {Fault} `configInvalid` if it cannot be written, or not be given
 * back to its owner; the old content is still there.
 */
export async function rewriteFile(
  path: string,
  content: string,
): Promise<void> {
  let target: string;
  let before: Stats;
  try {
    target = await realpath(path);
    before = await stat(target);
  } catch (error) {
    throw fileFault("write file", path, error);
  }
  const beside = besidePath(target);
  // Until it belongs to them, nobody else may read it.
  await createFile(beside, content, UNFINISHED_MODE);
  try {
    await giveTo(beside, before);
    await chmod(beside, before.mode & 0o777);
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { force: true });
    throw fileFault("write file", path, error);
  }
}

/** Only root may give files away: what is right already is left alone. */
async function giveTo(path: string, { gid, uid }: Stats): Promise<void> {
  const made = await stat(path);
  // Windows has no such ids; there a file inherits its directory's rights.
  if (made.uid === uid && made.gid === gid) return;
  await chown(path, uid, gid);
}
