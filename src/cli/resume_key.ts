import { join } from "node:path";
import { Fault } from "../protocol/fault.ts";
import { RESUME_KEY_BYTES, ResumeTokens } from "../protocol/resume_token.ts";
import { createFile, errorCode, readBytes } from "../runtime/files.ts";

/**
 * Opens the key with which this gateway signs resume tokens, in `stateDir`;
 * makes it where there is none. Gateways that share it take each other's.
 *
 * @throws {Fault} `configInvalid` if it cannot be read or made.
 */
export async function openResumeTokens(
  stateDir: string,
): Promise<ResumeTokens> {
  const path = join(stateDir, "resume.key");
  const fresh = crypto.getRandomValues(new Uint8Array(RESUME_KEY_BYTES));
  try {
    await createFile(path, fresh, 0o600);
  } catch (error) {
    const isThere = errorCode(Fault.from(error).cause) === "EEXIST";
    if (!isThere) throw error;
  }
  const secret = await readBytes(path, "resume key");
  if (secret.byteLength === RESUME_KEY_BYTES) {
    return await ResumeTokens.create(new Uint8Array(secret));
  }
  throw new Fault(
    "configInvalid",
    `Cannot use resume key ${path}: wrong size`,
    {
      hint: `Remove it: sessions that are detached now will be lost`,
    },
  );
}
