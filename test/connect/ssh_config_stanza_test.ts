import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sshConfigStanza } from "../../src/connect/ssh_config_stanza.ts";
import { pattern, sha256 } from "../contract/byte_socket_programs.ts";
import { runChild } from "../support/child.ts";
import { sshdMissing } from "../support/sshd.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";
import { startSshLab } from "./ssh_lab.ts";

const missing = sshdMissing();
/** Three key exchanges and two copies, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;

function realTest(name: string, body: () => Promise<void>): void {
  testUnless(missing)(name, body, TIMEOUT_MS);
}

/** More than one window of ssh's own. */
const FILE_BYTES = 8 * 1024 * 1024;

test("sshConfigStanza() hands every name in .mf to connect, in quotes", () => {
  const selfCommand = ["/opt/mf agent/migasfree-agent"];
  expect(sshConfigStanza({ selfCommand, platform: "linux" })).toBe(
    `# Managed devices by name or id: ssh root@aula-7.mf, scp file CID-7.mf:
Host *.mf "!*'*"
  ProxyCommand '/opt/mf agent/migasfree-agent' connect '%n' ssh --stdio
  CheckHostIP no
`,
  );
});

test("sshConfigStanza() writes what Windows' ssh understands", () => {
  const stanza = sshConfigStanza({
    selfCommand: ["C:\\Program Files\\mf\\migasfree-agent.exe"],
    gatewayArgs: ["--gateway", "wss://gw.example.org/tunnel?a=%41"],
    platform: "win32",
  });
  expect(stanza.split("\n").slice(1, 3)).toEqual([
    "Host *.mf",
    '  ProxyCommand "C:/Program Files/mf/migasfree-agent.exe" connect "%n" ' +
    'ssh --stdio --gateway "wss://gw.example.org/tunnel?a=%%41"',
  ]);
});

realTest("ssh, scp and sftp reach a device by its name in .mf", async () => {
  await using lab = await startSshLab();
  await using dir = await makeTemporaryDir();
  const bytes = pattern(FILE_BYTES);
  await writeFile(join(dir.path, "here"), bytes);
  const config = ["-F", lab.configFile];
  const ssh = await runChild(["ssh", ...config, "aula-7.mf", "exit 42"]);
  expect(ssh.status).toBe(42);
  expect(ssh.stderr).toContain("connect to aula-7.mf\n");
  const there = `CID-7.mf:${dir.path}/there`;
  const scp = ["scp", "-q", ...config];
  const up = await runChild([...scp, join(dir.path, "here"), there]);
  expect(up.status).toBe(0);
  const sftp = ["sftp", "-q", ...config];
  const down = await runChild([...sftp, there, join(dir.path, "back")]);
  expect(down.status).toBe(0);
  const back = await Bun.file(join(dir.path, "back")).bytes();
  expect(sha256(back)).toBe(sha256(bytes));
});
