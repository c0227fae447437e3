import type { GatewayConfig } from "../gateway/config.ts";
import type { EnrollPages } from "../gateway/enroll_pages.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { EnrollDirectory } from "../runtime/enroll_directory.ts";

/**
 * Opens the directory of the CA whose certificates a gateway gives away, or
 * returns undefined if it gives none.
 *
 * @throws {Fault} `configInvalid` if it cannot be used.
 */
export async function openEnrolment(
  { enroll: { pkiDir } }: GatewayConfig,
  gateway: Gateway,
): Promise<EnrollPages | undefined> {
  if (pkiDir === undefined) return undefined;
  const directory = new EnrollDirectory(pkiDir);
  // Before anybody comes: it reads the certificate, and the key.
  await directory.site();
  return gateway.enrollPages(directory);
}
