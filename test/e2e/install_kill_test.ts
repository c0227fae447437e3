import { afterAll, beforeAll, expect } from "bun:test";
import { InstallSite, noInstallRoot } from "../support/install_site.ts";
import { placesIn, RUN_UNTIL } from "../support/run_until.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(
  noInstallRoot() ?? missingProgram("dash", "curl", "openssl", "xz", "awk"),
);

/** What must hold whenever it was killed: enabled is only what is whole. */
const CHECKS = `whole() {
  test -x /usr/bin/migasfree-agent &&
    test -f /usr/lib/systemd/system/migasfree-agent.service &&
    test -f /usr/lib/migasfree-agent/version
}
wants=/etc/systemd/system/multi-user.target.wants/migasfree-agent.service
no_half() { ! test -e $wants || whole; }
clean() {
  ! test -e /var/lib/migasfree-agent-install/stage &&
    ! test -e /var/lib/migasfree-agent-install/lock &&
    test -z "$(find /usr -name '*.mf-new' -newer /proc/1 2>/dev/null)"
}
`;

let site: InstallSite;
let commandCount: number;
beforeAll(async () => {
  if (noInstallRoot() !== undefined) return;
  site = await InstallSite.create();
  const program = `${RUN_UNTIL} run_until KILL 0 "$@"; cat /tmp/count`;
  commandCount = Number((await site.run([], { program })).output);
  expect(commandCount).toBeGreaterThan(100);
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
});

testHere(
  "install.sh, killed anywhere, leaves nothing half, and goes on when it is run again",
  async () => {
    for (const at of placesIn(commandCount)) {
      const program = `${RUN_UNTIL}${CHECKS}
run_until KILL ${at} "$@"
no_half || echo "half an installation is enabled"
dash "$@" >/tmp/said 2>&1 || { echo "again: $?"; cat /tmp/said; }
whole && test -e $wants || echo "it is not whole afterwards"
clean || echo "something is left"`;
      const { output, status } = await site.run([], { program });
      expect([at, status, output]).toEqual([at, 0, ""]);
    }
  },
);

testHere(
  "install.sh, killed anywhere, can be removed without a trace",
  async () => {
    for (const at of placesIn(commandCount)) {
      const program = `${RUN_UNTIL}
run_until KILL ${at} "$@"
dash "$@" --uninstall --purge >/dev/null 2>&1`;
      const { changes, status } = await site.run([], { program });
      const left = changes.filter((path) => !/^\/etc\/[.a-z]+-?$/.test(path));
      expect([at, status, left]).toEqual([at, 0, []]);
    }
  },
);

testHere(
  "install.sh, told to stop before files are in place, leaves the machine as it was",
  async () => {
    for (const at of placesIn(commandCount)) {
      const program = `${RUN_UNTIL}${CHECKS}
run_until TERM ${at} "$@"
status=$?
case $status in
0) whole || echo "not whole" ;;
143)
  no_half || echo "half"
  clean || echo "something is left"
  if ! test -e /usr/bin/migasfree-agent; then
    if test -e /var/lib/migasfree-agent-install; then echo "state is left"; fi
    if test -e /usr/lib/migasfree-agent; then echo "a directory is left"; fi
  fi
  ;;
*) echo "ended with $status"; cat /tmp/said ;;
esac`;
      const { output } = await site.run([], { program });
      expect([at, output]).toEqual([at, ""]);
    }
  },
);
