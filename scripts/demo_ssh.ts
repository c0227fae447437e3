import { readFile } from "node:fs/promises";
import { BINARY, type Site } from "../test/support/site.ts";
import type { Sshd } from "../test/support/sshd.ts";
import { type DemoClient, openSshClient, ssh2Client } from "./demo_client.ts";

/** The ways to the computer's SSH server. */
export interface DemoSsh {
  readonly tunnel: DemoClient;
  readonly direct: DemoClient;
  readonly user: string;
  /** Undefined where OpenSSH's client is not installed. */
  readonly openSsh: OpenSshFlags | undefined;
}

/** What OpenSSH's programs must be told. */
export interface OpenSshFlags {
  /** Path of a configuration by which `*.mf` is reached through the gateway. */
  readonly config: string;
  /** What scp must be told beside that. */
  readonly scp: readonly string[];
}

/**
 * Makes the clients: OpenSSH's ssh and scp where they are installed, else
 * those of the ssh2 library, which reach the tunnel by `connect --listen`.
 *
 * @param flags Make a command that of the demonstration's operator.
 * @param missing Why the server is the ssh2 library's; undefined: it is not.
 */
export async function makeDemoSsh(
  site: Site,
  sshd: Sshd,
  flags: readonly string[],
  missing: string | undefined,
): Promise<DemoSsh> {
  const { port, user } = sshd;
  if (!Bun.which("ssh") || !Bun.which("scp")) {
    const key = await readFile(sshd.identityFile, "utf8");
    const argv = ["connect", "7", "ssh", "--listen", "127.0.0.1:0"];
    const listener = site.start([BINARY, ...argv, ...flags], {}, "connect.log");
    const line = await listener.line(/^listening /);
    const tunnelPort = Number(line.split(":").at(-1));
    return {
      tunnel: ssh2Client(tunnelPort, sshd, key),
      direct: ssh2Client(port, sshd, key),
      user,
      openSsh: undefined,
    };
  }
  const config = await writeConfig(site, sshd, flags);
  // The server of the ssh2 library knows no sftp, which scp else speaks.
  const scp = missing === undefined ? [] : ["-O"];
  const product = [BINARY, "ssh", `${user}@7`, ...flags, "--", "-F", config];
  const at = (portFlag: string) => ["-F", config, portFlag, String(port)];
  const host = "127.0.0.1";
  return {
    tunnel: openSshClient(
      site,
      product,
      ["scp", "-q", "-F", config, ...scp],
      "aula-7.mf",
    ),
    direct: openSshClient(
      site,
      ["ssh", ...at("-p"), host],
      ["scp", "-q", ...at("-P"), ...scp],
      host,
    ),
    user,
    openSsh: { config, scp },
  };
}

/** The documented stanza, and how to log in. Nothing of the user's is read. */
async function writeConfig(
  site: Site,
  { identityFile, user }: Sshd,
  flags: readonly string[],
): Promise<string> {
  const stanza = await site.cli(["ssh", "--print-config", ...flags]);
  return await site.write(
    "ssh_config",
    `${stanza}
Host *
  User ${user}
  IdentityFile "${identityFile}"
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking accept-new
  UserKnownHostsFile "${site.dir}/known_hosts"
  LogLevel ERROR
`,
  );
}
