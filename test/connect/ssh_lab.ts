import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sshCommand } from "../../src/connect/ssh_command.ts";
import { sshConfigStanza } from "../../src/connect/ssh_config_stanza.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const PROGRAM_PATH = new URL("./connect_program.ts", import.meta.url).pathname;

/** A directory whose name no shell may see bare. */
const HOSTILE_NAME = 'it\'s a $(touch hacked) "lab" 100%!';

/** A real sshd, reached by the real ssh as the product starts it. */
export interface SshLab extends AsyncDisposable {
  readonly sshd: Sshd;
  /** The lab's own known_hosts, in which devices are remembered. */
  readonly knownHosts: () => Promise<string>;
  /** Returns what logs in to a device, which may be on another sshd. */
  readonly argv: (sshArgs: readonly string[], options?: {
    deviceId?: number;
    sshd?: Sshd;
  }) => string[];
  /** Path of a configuration with the documented stanza, and the key. */
  readonly configFile: string;
}

export async function startSshLab(): Promise<SshLab> {
  const parent = await makeTemporaryDir();
  const dir = join(parent.path, HOSTILE_NAME);
  await Bun.write(join(dir, "empty"), "");
  const bun = join(dir, "bun");
  await symlink(process.execPath, bun);
  const selfCommand = [bun, PROGRAM_PATH];
  const sshd = await startSshd();
  const knownHostsFile = join(dir, "known_hosts");
  const configFile = join(dir, "config");
  const gatewayArgs = ["--to", String(sshd.port)];
  const platform = process.platform;
  await writeFile(
    configFile,
    sshConfigStanza({ selfCommand, gatewayArgs, platform }) + `
Host *
  User ${sshd.user}
  IdentityFile ${sshd.identityFile}
  IdentitiesOnly yes
  UserKnownHostsFile ${join(parent.path, "config_known_hosts")}
  StrictHostKeyChecking accept-new
`,
  );
  return {
    sshd,
    configFile,
    knownHosts: () => readFile(knownHostsFile, "utf8"),
    argv: (sshArgs, options = {}) => {
      const { deviceId = 7, sshd: other = sshd } = options;
      const key = ["-F", "/dev/null", "-o", "IdentitiesOnly=yes"];
      return sshCommand({
        user: other.user,
        deviceId,
        selfCommand,
        gatewayArgs: ["--to", String(other.port)],
        knownHostsFile,
        sshArgs: [...key, "-i", other.identityFile, ...sshArgs],
        platform,
      });
    },
    [Symbol.asyncDispose]: async () => {
      await sshd[Symbol.asyncDispose]();
      await parent[Symbol.asyncDispose]();
    },
  };
}
