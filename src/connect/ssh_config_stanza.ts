import { escapeTokens } from "./ssh_command.ts";
import { shellWords } from "./shell_words.ts";

export interface SshConfigOptions {
  /** How this very program is started again. */
  readonly selfCommand: readonly string[];
  /** Flags that make `connect` reach a certain gateway; default none. */
  readonly gatewayArgs?: readonly string[];
  /** As `process.platform` says. */
  readonly platform: string;
}

/**
 * Returns what makes `ssh aula-7.mf`, `scp`, `sftp`, `rsync` and `git` reach
 * devices, for ~/.ssh/config. Everything else stays as the user has it.
 */
export function sshConfigStanza(options: SshConfigOptions): string {
  const { selfCommand, gatewayArgs = [], platform } = options;
  const isWindows = platform === "win32";
  const words = (list: readonly string[]) =>
    escapeTokens(shellWords(list, platform));
  const proxy = [
    words([...selfCommand, "connect"]),
    isWindows ? '"%n"' : "'%n'",
    words(["ssh", "--stdio", ...gatewayArgs]),
  ];
  // ssh hands the typed name to a shell, and git takes names from anywhere.
  // Inside quotes only a quote can do harm: such names are not ours.
  const hosts = isWindows ? "*.mf" : `*.mf "!*'*"`;
  return `# Managed devices by name or id: ssh root@aula-7.mf, scp file CID-7.mf:
Host ${hosts}
  ProxyCommand ${proxy.join(" ")}
  CheckHostIP no
`;
}
