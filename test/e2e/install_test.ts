import { afterAll, beforeAll, expect } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { InstallSite, noInstallRoot, SHELLS } from "../support/install_site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(
  noInstallRoot() ?? missingProgram("dash", "busybox", "curl", "openssl", "xz"),
);

/** Which of the files that are installed say that all of it is. */
const INSTALLED = [
  "/etc/systemd/system/multi-user.target.wants/migasfree-agent.service",
  "/usr/bin/migasfree-agent",
  "/usr/bin/migasfree-connect",
  "/usr/lib/migasfree-agent/version",
  "/usr/lib/systemd/system/migasfree-agent.service",
];

let site: InstallSite;
beforeAll(async () => {
  site = await InstallSite.create();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

for (const shell of SHELLS) {
  testHere(`install.sh installs in ${shell.join(" ")}`, async () => {
    const { changes, output, status } = await site.run([], { shell });
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringContaining(
        "installed migasfree-agent 0\nmigasfree-agent: systemd does not run " +
          "here: enabled for the next boot, not started\n",
      ),
    });
    expect(changes).toEqual(expect.arrayContaining(INSTALLED));
    expect(changes.filter((path) => /mf-new|stage|lock$/.test(path)))
      .toEqual(["/etc/.pwd.lock"]);
  });

  testHere(
    `install.sh, cut at any line, does nothing in ${shell.join(" ")}`,
    async () => {
      const lines = (await readFile(site.script, "utf8")).split("\n").length -
        1;
      const program = `script=$1; shift; n=0
while [ $n -lt ${lines} ]; do
  head -n $n "$script" >/tmp/cut.sh
  ${shell.join(" ")} /tmp/cut.sh "$@" >/tmp/said 2>&1
  if grep -q migasfree-agent: /tmp/said; then echo "ran at $n"; fi
  n=$((n + 1))
done; echo "cut at $n lines"`;
      expect(await site.run([], { shell, program })).toEqual({
        status: 0,
        output: `cut at ${lines} lines\n`,
        changes: [],
      });
    },
  );
}

testHere(
  "install.sh, cut at any byte of its last lines, does nothing",
  async () => {
    const text = await readFile(site.script, "utf8");
    const end = text.length - text.lastIndexOf("\n{\n");
    const program = `script=$1; shift; n=${end}; size=$(wc -c <"$script")
while [ $n -gt 2 ]; do
  head -c $((size - n)) "$script" >/tmp/cut.sh
  for shell in dash bash "busybox sh"; do
    $shell /tmp/cut.sh "$@" >/tmp/said 2>&1
    if grep -q migasfree-agent: /tmp/said; then echo "ran without $n"; fi
  done
  n=$((n - 1))
done`;
    expect(await site.run([], { program }))
      .toEqual({ status: 0, output: "", changes: [] });
  },
);

testHere(
  "install.sh, run again, has nothing to do and does no harm",
  async () => {
    const program =
      'dash "$@" >/dev/null 2>&1; echo x >/usr/bin/migasfree-agent\n' +
      'dash "$@" && migasfree-agent version';
    const { output, status } = await site.run([], { program });
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringMatching(/\nmigasfree-agent 0\n$/),
    });
  },
);

testHere("install.sh --uninstall --purge leaves no trace", async () => {
  const program = 'dash "$@" >/dev/null 2>&1; dash "$@" --uninstall --purge';
  const { changes, output, status } = await site.run([], { program });
  expect({ status, output }).toEqual({
    status: 0,
    output: "migasfree-agent: removed\n" +
      "migasfree-agent: configuration, state and users removed\n",
  });
  // What useradd writes anew, and its backups, are without our users.
  expect(changes.filter((path) => !/^\/etc\/[.a-z]+-?$/.test(path)))
    .toEqual([]);
});

testHere("install.sh --uninstall keeps what a person wrote", async () => {
  const program = 'dash "$@" >/dev/null 2>&1\n' +
    "echo x >/etc/migasfree-agent/agent.toml\n" +
    'dash "$@" --uninstall; cat /etc/migasfree-agent/agent.toml';
  const { output, status } = await site.run([], { program });
  expect({ status, output })
    .toEqual({ status: 0, output: "migasfree-agent: removed\nx\n" });
});

testHere(
  "install.sh upgrades, and goes back only if somebody means it",
  async () => {
    await using newer = await InstallSite.create("2.1.0");
    const program = `dash "$@" >/dev/null 2>&1
dash ${newer.script} --from ${newer.url} --ca ${newer.dir}/ca.pem >/dev/null
cat /usr/lib/migasfree-agent/version
dash "$@"; echo "status $?"
dash "$@" --version 2.0.0 >/dev/null; cat /usr/lib/migasfree-agent/version`;
    const { output } = await site.run([], { program });
    expect(output.split("\n").slice(-6)).toEqual([
      "2.1.0",
      "migasfree-agent: 2.1.0 is installed, which is newer than 2.0.0",
      "  hint: Give --version 2.0.0 if you mean it",
      "status 23",
      "2.0.0",
      "",
    ]);
  },
);

testHere(
  "install.sh takes what was an alpha for older than its release",
  async () => {
    await using alpha = await InstallSite.create("2.0.0-alpha.9");
    const program = `dash ${alpha.script} --from ${alpha.url} \\
  --ca ${alpha.dir}/ca.pem >/dev/null 2>&1
dash "$@" >/dev/null 2>&1; cat /usr/lib/migasfree-agent/version`;
    expect((await site.run([], { program })).output).toBe("2.0.0\n");
  },
);

testHere("install.sh removes what a later version has no more", async () => {
  const program = `dash "$@" >/dev/null 2>&1
echo usr/lib/migasfree-agent/gone >>/var/lib/migasfree-agent-install/manifest
echo x >/usr/lib/migasfree-agent/gone
dash "$@" >/dev/null; test -e /usr/lib/migasfree-agent/gone`;
  expect((await site.run([], { program })).status).toBe(1);
});

testHere(
  "install.sh says what it cannot do without, before it changes anything",
  async () => {
    await writeFile(`${site.dir}/empty`, "");
    const failures: [number, string, Parameters<InstallSite["run"]>[1]][] = [
      [11, "There is no migasfree-agent for riscv64", {
        before:
          'printf "#!/bin/sh\\n[ \\$1 = -m ] && echo riscv64 || echo Linux\\n"' +
          " >$root/usr/bin/uname",
      }],
      [12, "Cannot go on without openssl", {
        before: "rm $root/usr/bin/openssl",
      }],
      [12, "Cannot download without curl or GNU wget", {
        before: "rm -f $root/usr/bin/curl $root/usr/bin/wget",
      }],
      [18, "Cannot write to /usr: is it read-only?", {
        before: "mount --bind $root/usr $root/usr\n" +
          "mount -o remount,bind,ro $root/usr",
      }],
      [19, "migasfree-agent is installed as a .deb", {
        before:
          'printf "#!/bin/sh\\necho installed\\n" >$root/usr/bin/dpkg-query',
      }],
      [20, "Another install.sh runs, as process 1", {
        before: "mkdir -p $root/var/lib/migasfree-agent-install/lock\n" +
          'echo "1 $(cut -d " " -f 22 /proc/1/stat)" ' +
          ">$root/var/lib/migasfree-agent-install/lock/owner",
      }],
      [10, "Only root can install a service", {
        program: 'setpriv --reuid 65534 --clear-groups dash "$@"',
      }],
    ];
    for (const [status, sentence, options] of failures) {
      const ended = await site.run([], options);
      expect([ended.status, ended.output.split("\n")[0]])
        .toEqual([status, `migasfree-agent: ${sentence}`]);
      expect(
        ended.changes.filter((path) =>
          !/^\/usr\/bin\/[a-z-]+$|lock\/owner$/.test(path)
        ),
      )
        .toEqual([]);
    }
  },
);

testHere(
  "install.sh takes over the lock of a process that has died",
  async () => {
    for (const owner of ["999999999 1", "1 1", ""]) {
      const before = "mkdir -p $root/var/lib/migasfree-agent-install/lock\n" +
        `echo "${owner}" >$root/var/lib/migasfree-agent-install/lock/owner`;
      const { status } = await site.run([], { before });
      expect([owner, status]).toEqual([owner, 0]);
    }
  },
);
