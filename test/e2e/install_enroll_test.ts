import { afterAll, beforeAll, expect } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InstallSite, noInstallRoot } from "../support/install_site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(
  noInstallRoot() ?? missingProgram("dash", "busybox", "curl", "openssl", "xz"),
);

/**
 * Stands for a program that enrols. It says what it was given, in how many of
 * all processes' arguments the token is, and writes what it would write.
 */
const ENROLLING = `#!/bin/sh
case $1 in
version) echo "migasfree-agent 0" ;;
completion) echo "run enroll gateway" ;;
enroll)
  cat >/tmp/token
  printf 'arguments %s\\n' "$*"
  printf 'token %s\\n' "$(cat /tmp/token)"
  printf 'seen %s\\n' "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' |
    grep -c -F -f /tmp/token)"
  printf 'own %s\\n' "$(tr '\\0' '\\n' </proc/$$/cmdline | grep -c -F -f /tmp/token)"
  if grep -q refused /tmp/token; then exit 77; fi
  echo 'device_id = 7' >/etc/migasfree-agent/agent.toml
  ;;
*) exit 64 ;;
esac
`;

let site: InstallSite;
let tokenFile: string;
beforeAll(async () => {
  if (noInstallRoot() !== undefined) return;
  site = await InstallSite.create();
  await site.release("2.0.0", ENROLLING);
  tokenFile = join(site.dir, "token");
  await writeFile(tokenFile, "mfe1.of-a-file\n", { mode: 0o600 });
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});

function linesOf(output: string, ...starts: readonly string[]): string[] {
  return output.split("\n").filter((line) =>
    starts.some((start) => line.startsWith(`${start} `))
  );
}

for (const shell of [["dash"], ["bash"], ["busybox", "sh"]]) {
  testHere(
    `install.sh --enroll-file shows the token to nobody in ${shell.join(" ")}`,
    async () => {
      const args = ["--enroll-file", tokenFile];
      const { output, status } = await site.run(args, { shell });
      expect(linesOf(output, "arguments", "token", "seen", "own")).toEqual([
        "arguments enroll --token-file -",
        "token mfe1.of-a-file",
        "seen 0",
        "own 0",
      ]);
      expect(status).toBe(0);
    },
  );
}

testHere(
  "install.sh --enroll hands the token on where nobody sees it",
  async () => {
    const { output, status } = await site.run(["--enroll", "mfe1.of-a-word"]);
    expect(linesOf(output, "arguments", "token", "own")).toEqual([
      "arguments enroll --token-file -",
      "token mfe1.of-a-word",
      "own 0",
    ]);
    // Its own command line has it, and so can the other test see one.
    expect(linesOf(output, "seen")).not.toEqual(["seen 0"]);
    expect(status).toBe(0);
  },
);

testHere(
  "install.sh --enroll leaves agent.toml to the agent's group",
  async () => {
    const program = 'dash "$@" >/dev/null 2>&1; echo "status $?"\n' +
      "stat -c '%a %U %G' /etc/migasfree-agent/agent.toml";
    const args = ["--enroll-file", tokenFile];
    expect((await site.run(args, { program })).output)
      .toBe("status 0\n640 root migasfree-agent\n");
  },
);

testHere(
  "install.sh wants a token in its file before it does anything",
  async () => {
    const empty = join(site.dir, "empty");
    await writeFile(empty, "");
    for (const path of [empty, join(site.dir, "nowhere")]) {
      const { changes, output, status } = await site.run([
        "--enroll-file",
        path,
      ]);
      expect({ changes, status }).toEqual({ changes: [], status: 64 });
      expect(output).toContain(`There is no token in ${path}`);
    }
  },
);

testHere(
  "install.sh whose token is refused leaves the program installed",
  async () => {
    const args = ["--enroll", "mfe1.refused"];
    const { changes, output, status } = await site.run(args);
    expect(status).toBe(22);
    expect(output).toContain("migasfree-agent: Installed, but not enrolled\n");
    expect(changes).toContain("/usr/bin/migasfree-agent");
    expect(changes.filter((path) => path.includes("agent-install/stage")))
      .toEqual([]);
  },
);
