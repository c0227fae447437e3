import { link, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../protocol/fault.ts";
import { RESUME_KEY_BYTES } from "../protocol/resume_token.ts";
import {
  besidePath,
  createFile,
  errorCode,
  readBytes,
  writeFileAtomically,
} from "../runtime/files.ts";

/**
 * Opens the key with which this gateway signs resume tokens, in `stateDir`;
 * makes it where there is none. Gateways that share it take each other's.
 *
 * @throws {Fault} `configInvalid` if it cannot be read or made.
 */
export async function openResumeKey(
  stateDir: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const path = pathIn(stateDir);
  const secret = await readOrMake(path);
  if (secret.byteLength === RESUME_KEY_BYTES) return new Uint8Array(secret);
  throw new Fault(
    "configInvalid",
    `Cannot use resume key ${path}: wrong size`,
    {
      hint: `Remove it: sessions that are detached now will be lost`,
    },
  );
}

/** Puts the key of all gateways of a site in the place of this one's own. */
export async function saveResumeKey(
  stateDir: string,
  secret: Uint8Array,
): Promise<void> {
  await writeFileAtomically(pathIn(stateDir), secret, 0o600);
}

function pathIn(stateDir: string): string {
  return join(stateDir, "resume.key");
}

async function readOrMake(path: string): Promise<Uint8Array> {
  try {
    return await readBytes(path, "resume key");
  } catch (error) {
    const isMissing = errorCode(Fault.from(error).cause) === "ENOENT";
    if (!isMissing) throw error;
  }
  await makeKey(path);
  return await readBytes(path, "resume key");
}

/** Makes the key unless it is there. Whoever sees one, sees it whole. */
async function makeKey(path: string): Promise<void> {
  const fresh = crypto.getRandomValues(new Uint8Array(RESUME_KEY_BYTES));
  const beside = besidePath(path);
  await createFile(beside, fresh, 0o600);
  try {
    // Unlike a rename, it never takes another process's key away.
    await link(beside, path);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    // A file system without links: then two at once may fail, once.
    await createFile(path, fresh, 0o600);
  } finally {
    await rm(beside, { force: true });
  }
}
