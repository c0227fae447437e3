import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runChild, startChild } from "./child.ts";
import { type Sshd, sshdMissing, startSshd } from "./sshd.ts";
import { makeTemporaryDir } from "./temporary_dir.ts";
import { testUnless } from "./test_unless.ts";

const missing = sshdMissing();
/** Dozens of key exchanges, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;

function realTest(name: string, body: () => Promise<void>): void {
  testUnless(missing)(name, body, TIMEOUT_MS);
}

const SESSIONS_COUNT = 30;

async function ssh(sshd: Sshd, dir: string): Promise<string[]> {
  const knownHosts = join(dir, "known_hosts");
  await writeFile(knownHosts, `${sshd.knownHostsLine}\n`);
  return [
    "ssh",
    ...["-F", "/dev/null", "-o", "IdentitiesOnly=yes"],
    ...["-o", `UserKnownHostsFile=${knownHosts}`],
    ...["-o", "StrictHostKeyChecking=yes"],
    ...["-i", sshd.identityFile, "-p", String(sshd.port)],
    `${sshd.user}@127.0.0.1`,
  ];
}

realTest(
  "startSshd() lets 30 sessions in at once, each by its own key",
  async () => {
    await using dir = await makeTemporaryDir();
    await using sshd = await startSshd();
    const argv = await ssh(sshd, dir.path);
    const ran = await Promise.all(
      Array.from(
        { length: SESSIONS_COUNT },
        (_, index) => runChild([...argv, `echo ${index}`]),
      ),
    );
    expect(ran.map(({ stdout }) => stdout)).toEqual(
      Array.from({ length: SESSIONS_COUNT }, (_, index) => `${index}\n`),
    );
    const log = await readFile(sshd.logFile, "utf8");
    expect(log.match(/Accepted publickey/g)).toHaveLength(SESSIONS_COUNT);
    const print = ["ssh-keygen", "-l", "-f", join(dir.path, "known_hosts")];
    expect((await runChild(print)).stdout).toContain(sshd.hostKeyFingerprint);
  },
);

realTest(
  "startSshd() takes its sessions and files along when it ends",
  async () => {
    await using dir = await makeTemporaryDir();
    const sshd = await startSshd();
    const argv = await ssh(sshd, dir.path);
    await using session = startChild([...argv, "echo in; exec cat"], {
      stdin: "pipe",
    });
    await session.line(/^in$/);
    await sshd[Symbol.asyncDispose]();
    expect(await session.exited).toBe(255);
    expect(existsSync(dirname(sshd.logFile))).toBe(false);
  },
);
