import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { agentPlaces } from "../agent/config.ts";
import { enrolledName } from "../policy/enrolled_name.ts";
import { Fault } from "../protocol/fault.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { commonNameOf } from "../runtime/common_name.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { type AgentSettingsFile, machineDefaults } from "./agent_config.ts";

/**
 * Returns whether `folder` has what an enrolment of this device leaves, and
 * it is good, renewed or not: an installer may run again and again.
 *
 * @throws {Fault} `configInvalid` if it is another device's.
 */
export async function enrolledBefore(
  folder: string,
  deviceId: number,
  { file }: AgentSettingsFile,
): Promise<boolean> {
  const { stateDir } = agentPlaces(file, machineDefaults());
  const files = new IdentityFiles(
    {
      caFile: undefined,
      certFile: join(folder, "cert.pem"),
      keyFile: join(folder, "key.pem"),
      renewedFile: join(stateDir, "renewed.pem"),
    },
    false,
    bunClock,
  );
  let cert: string | undefined;
  try {
    ({ cert } = await files.read());
  } catch {
    return false; // It is not there, or broken: it is made anew.
  }
  if (cert === undefined) return false;
  const name = commonNameOf(cert);
  if (name === enrolledName(deviceId)) {
    return new X509Certificate(cert).validToDate.getTime() > Date.now();
  }
  throw new Fault(
    "configInvalid",
    `Cannot enrol as device ${deviceId}: ${folder} is of ${name ?? "nobody"}`,
    { hint: "Enrol with --replace if that is no more needed" },
  );
}
