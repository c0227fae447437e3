import { afterAll, beforeAll, expect } from "bun:test";
import { InstallSite, noInstallRoot } from "../support/install_site.ts";
import { placesIn, RUN_UNTIL } from "../support/run_until.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(
  noInstallRoot() ?? missingProgram("dash", "curl", "openssl", "xz", "awk"),
);

let site: InstallSite;
let newer: InstallSite;
beforeAll(async () => {
  if (noInstallRoot() !== undefined) return;
  site = await InstallSite.create();
  newer = await InstallSite.create("2.1.0");
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await newer?.[Symbol.asyncDispose]();
});

/** How many commands `what` has, a line of shell that calls run_until. */
async function commandsOf(before: string, what: string): Promise<number> {
  const program = `${RUN_UNTIL}${before}\n` +
    `${what.replace("SIGNAL AT", "KILL 0")}; cat /tmp/count`;
  const count = Number((await site.run([], { program })).output);
  expect(count).toBeGreaterThan(20);
  return count;
}

testHere(
  "install.sh --uninstall, killed anywhere, is finished by the next one",
  async () => {
    const before = 'dash "$@" >/dev/null 2>&1';
    const what = 'run_until SIGNAL AT "$@" --uninstall --purge';
    for (const at of placesIn(await commandsOf(before, what))) {
      const program = `${RUN_UNTIL}${before}
${what.replace("SIGNAL AT", `KILL ${at}`)}
dash "$@" --uninstall --purge >/dev/null 2>&1`;
      const { changes, status } = await site.run([], { program });
      const left = changes.filter((path) => !/^\/etc\/[.a-z]+-?$/.test(path));
      expect([at, status, left]).toEqual([at, 0, []]);
    }
  },
);

testHere(
  "install.sh, killed anywhere in an upgrade, leaves a program that runs, and is finished by the next one",
  async () => {
    const before = 'dash "$@" >/dev/null 2>&1';
    const what = `run_until SIGNAL AT ${newer.script} --from ${newer.url} ` +
      `--ca ${newer.dir}/ca.pem`;
    for (const at of placesIn(await commandsOf(before, what))) {
      const program = `${RUN_UNTIL}${before}
${what.replace("SIGNAL AT", `KILL ${at}`)}
migasfree-agent version >/dev/null || echo "the program does not run"
test -f /usr/lib/systemd/system/migasfree-agent.service || echo "no unit"
dash ${newer.script} --from ${newer.url} --ca ${newer.dir}/ca.pem \\
  >/tmp/said 2>&1 || cat /tmp/said
cat /usr/lib/migasfree-agent/version
find /usr/bin /usr/lib/systemd -name '*.mf-new'
find /var/lib/migasfree-agent-install -name stage -o -name lock`;
      const { output, status } = await site.run([], { program });
      expect([at, status, output]).toEqual([at, 0, "2.1.0\n"]);
    }
  },
);
