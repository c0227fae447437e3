import { Fault } from "../protocol/fault.ts";
import type { ProgramChoice } from "./choose_program.ts";
import { shellWords } from "./shell_words.ts";

/** One ssh session that an operator asked for. */
export interface SshSession {
  /** Remote user; undefined: what the user's own ssh configuration says. */
  readonly user?: string | undefined;
  readonly deviceId: number;
  /** How this very program is started again. */
  readonly selfCommand: readonly string[];
  /** Flags that make `connect` reach the same gateway as we do. */
  readonly gatewayArgs: readonly string[];
  /** This gateway's own known_hosts; its directory must exist. */
  readonly knownHostsFile: string;
  /** What the user wants to say to ssh: options, then the remote command. */
  readonly sshArgs: readonly string[];
  /** As `process.platform` says. */
  readonly platform: string;
}

/** Letters of ssh(1) that take a value, in one word or as the next one. */
const LETTERS_WITH_VALUE = "BDEFIJLOPQRSWbceilmopw";

/** Where OpenSSH itself keeps host keys. */
const USER_KNOWN_HOSTS_FILE = "~/.ssh/known_hosts";

/**
 * Returns the argv that reaches a device with the user's own OpenSSH.
 *
 * Host keys are checked, and remembered under the device's id: a new one is
 * taken, a changed one refused. What `sshArgs` set wins over what we set, for
 * ssh obeys the first value that it is given.
 *
 * @throws {Fault} `usageInvalid` if ssh would read the user as an option.
 */
export function sshCommand(session: SshSession): string[] {
  const { user, deviceId, sshArgs } = session;
  if (user !== undefined && !/^[^-]/.test(user)) {
    throw new Fault("usageInvalid", `Cannot log in as "${user}"`, {
      hint: "Give a user name that is not empty and begins with no dash",
    });
  }
  const host = `CID-${deviceId}.mf`;
  const theirs = optionsSet(sshArgs);
  const argv = ["ssh"];
  for (const [keyword, value] of ourOptions(session, host)) {
    if (theirs.has(keyword.toLowerCase())) continue;
    argv.push("-o", `${keyword}=${value}`);
  }
  // Not behind `--`: ssh would take the user's options for a remote command.
  argv.push(user === undefined ? host : `${user}@${host}`, ...sshArgs);
  return argv;
}

/**
 * Returns {@linkcode sshCommand} as a choice of one, which knows what to
 * install where there is no ssh.
 *
 * @throws {Fault} As {@linkcode sshCommand}.
 */
export function sshChoice(session: SshSession): ProgramChoice {
  const [program = "ssh", ...args] = sshCommand(session);
  return {
    whatItIs: "the OpenSSH client",
    commands: [{ program, args }],
    hint: session.platform === "win32"
      ? "Add the optional feature OpenSSH Client in the settings of Windows"
      : "Install the OpenSSH client",
    installs: {
      "apt-get": "sudo apt install openssh-client",
      dnf: "sudo dnf install openssh-clients",
      zypper: "sudo zypper install openssh-clients",
      pacman: "sudo pacman -S openssh",
      apk: "sudo apk add openssh-client",
    },
  };
}

function ourOptions(session: SshSession, host: string): [string, string][] {
  const { deviceId, selfCommand, gatewayArgs, platform } = session;
  const connect = ["connect", String(deviceId), "ssh", "--stdio"];
  const proxy = [...selfCommand, ...connect, ...gatewayArgs];
  return [
    ["ProxyCommand", escapeTokens(shellWords(proxy, platform))],
    ["HostKeyAlias", host],
    ["UserKnownHostsFile", knownHostsFiles(session)],
    ["StrictHostKeyChecking", "accept-new"],
    // There is no address to check: ssh sees a pipe.
    ["CheckHostIP", "no"],
  ];
}

/** New keys go to the first file; a key in either is known. */
function knownHostsFiles({ knownHostsFile, platform }: SshSession): string {
  const path = platform === "win32"
    ? knownHostsFile.replaceAll("\\", "/")
    : knownHostsFile.replace(/[\\"]/g, "\\$&");
  return `"${escapeTokens(path)}" ${USER_KNOWN_HOSTS_FILE}`;
}

/** ssh_config(5), TOKENS: `%%` is a percent sign. */
export function escapeTokens(text: string): string {
  return text.replaceAll("%", "%%");
}

/** Returns the keywords, in lower case, that `-o` sets in `sshArgs`. */
function optionsSet(sshArgs: readonly string[]): Set<string> {
  const keywords = new Set<string>();
  const rest = sshArgs.values();
  for (const word of rest) {
    // The first word that is no option begins the remote command.
    if (!word.startsWith("-") || word === "-" || word === "--") break;
    const letters = [...word.slice(1)];
    const at = letters.findIndex((it) => LETTERS_WITH_VALUE.includes(it));
    if (at < 0) continue;
    const value = letters.slice(at + 1).join("") || rest.next().value;
    if (letters[at] !== "o") continue;
    const [, keyword] = /^\s*"?([a-z0-9]+)/i.exec(value ?? "") ?? [];
    if (keyword !== undefined) keywords.add(keyword.toLowerCase());
  }
  return keywords;
}
