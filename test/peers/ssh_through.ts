import { runChild } from "../support/child.ts";
import type { Sshd } from "../support/sshd.ts";

/** Runs a command at `sshd`, through the tunnel that listens on `port`. */
export async function sshThrough(
  port: number,
  { identityFile, user }: Sshd,
  command: string,
): Promise<{ status: number; stdout: string; stderr: string }> {
  return await runChild([
    ...["ssh", "-F", "none", "-p", `${port}`, "-i", identityFile],
    // The port is another one each time: there is nothing to remember.
    ...["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"],
    ...["-o", "UserKnownHostsFile=/dev/null", `${user}@127.0.0.1`, command],
  ]);
}
