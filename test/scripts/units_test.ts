import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const testWithSystemd = testUnless(missingProgram("systemd-analyze"));

/** Exposure that the network's own processes may have at most, times ten. */
const EXPOSURE_MAX = 13;

/** What may not reach a compiled Bun program, or the loader before it. */
const HOSTILE_VARIABLES = [
  "BUN_BE_BUN",
  "BUN_OPTIONS",
  "BUN_INSPECT",
  "NODE_OPTIONS",
  "NODE_EXTRA_CA_CERTS",
  "NODE_TLS_REJECT_UNAUTHORIZED",
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
];

const units = new Map(
  await Promise.all(
    [...new Bun.Glob("*.{service,socket,path,timer}").scanSync(
      join(ROOT, "systemd"),
    )].sort().map(async (name) =>
      [name, await Bun.file(join(ROOT, "systemd", name)).text()] as const
    ),
  ),
);

test("every service unsets what would have Bun run something else", () => {
  const services = [...units].filter(([name]) => name.endsWith(".service"));
  expect(services.map(([name]) => name)).toEqual([
    "migasfree-agent-exec@.service",
    "migasfree-agent-identity.service",
    "migasfree-agent.service",
    "migasfree-gateway.service",
  ]);
  for (const [name, text] of services) {
    const unset = [...text.matchAll(/^UnsetEnvironment=(.*)$/gm)]
      .flatMap(([, names = ""]) => names.split(" "));
    const missing = HOSTILE_VARIABLES.filter((one) => !unset.includes(one));
    expect([name, missing]).toEqual([name, []]);
    expect(text).toContain("\nWorkingDirectory=/\n");
  }
});

test("root's helper takes nothing from its command line", () => {
  const text = units.get("migasfree-agent-exec@.service") ?? "";
  expect(text).toContain("\nExecStart=-/usr/bin/migasfree-agent exec-helper\n");
  expect(text).not.toContain("%i");
  expect(text).not.toContain("%I");
});

/** Writes the units with a program that there is, as `verify` wants it. */
async function writeUnits(dir: string): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const [name, text] of units) {
    const path = join(dir, name);
    const runnable = text.replaceAll("/usr/bin/migasfree-agent ", "/bin/true ")
      .replaceAll(/^User=.*\n|^Group=.*\n|^SocketGroup=.*\n/gm, "");
    await Bun.write(path, runnable);
    paths.push(path);
  }
  return paths;
}

testWithSystemd(
  "systemd-analyze verify has nothing to say of the units",
  async () => {
    await using dir = await makeTemporaryDir();
    const paths = await writeUnits(dir.path);
    const argv = ["systemd-analyze", "verify", "--man=no", ...paths];
    const { exitCode, stderr, stdout } = Bun.spawnSync(argv);
    // Keys that it does not know are only warnings, with status 0.
    expect([exitCode, stdout.toString() + stderr.toString()]).toEqual([0, ""]);
  },
);

for (const name of ["migasfree-agent", "migasfree-gateway"]) {
  testWithSystemd(`${name}.service is exposed by at most 1.3`, async () => {
    await using dir = await makeTemporaryDir();
    await Bun.write(
      join(dir.path, `${name}.service`),
      units.get(`${name}.service`) ?? "",
    );
    const { exitCode, stdout } = Bun.spawnSync([
      ...["systemd-analyze", "security", "--offline=true", "--no-pager"],
      ...[`--threshold=${EXPOSURE_MAX}`, join(dir.path, `${name}.service`)],
    ]);
    const [, score] = /level for .*: ([0-9.]+) /.exec(stdout.toString()) ?? [];
    expect([exitCode, Number(score) <= EXPOSURE_MAX / 10]).toEqual([0, true]);
  });
}
