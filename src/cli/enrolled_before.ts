import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { enrolledName } from "../policy/enrolled_name.ts";
import { Fault } from "../protocol/fault.ts";
import { commonNameOf } from "../runtime/common_name.ts";
import { errorCode, readText } from "../runtime/files.ts";

/**
 * Returns whether `folder` has what an enrolment of this device leaves, and
 * it is good: an installer may run again and again.
 *
 * @throws {Fault} `configInvalid` if it is another device's.
 */
export async function enrolledBefore(
  folder: string,
  deviceId: number,
): Promise<boolean> {
  const cert = await readIfThere(join(folder, "cert.pem"));
  const key = await readIfThere(join(folder, "key.pem"));
  if (cert === undefined || key === undefined) return false;
  let name: string | undefined;
  let isGood: boolean;
  try {
    const certificate = new X509Certificate(cert);
    name = commonNameOf(cert);
    isGood = certificate.checkPrivateKey(createPrivateKey(key)) &&
      certificate.validToDate.getTime() > Date.now();
  } catch {
    return false; // What is broken is replaced.
  }
  if (name === enrolledName(deviceId)) return isGood;
  throw new Fault(
    "configInvalid",
    `Cannot enrol as device ${deviceId}: ${folder} is of ${name ?? "nobody"}`,
    { hint: "Enrol with --replace if that is no more needed" },
  );
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
