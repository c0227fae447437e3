import { expect, test } from "bun:test";
import { chmod, cp, mkdir, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

/** What the script finds around it; each program says that it was called. */
const CLONE: Readonly<Record<string, string>> = {
  "scripts/bootstrap": 'PATH="$PWD/bin:$PATH"\n',
  "scripts/build": "#!/bin/sh\necho build\n",
  "scripts/build.ts": "",
  "bin/bun": '#!/bin/sh\necho bun "$@"\n',
  "package.json": "{}",
  "package-lock.json": "{}",
  "src/cli/main.ts": "",
  "src/cli/old.ts": "",
  "dist/migasfree-agent": "",
};

const BEFORE = new Date("2020-01-01T00:00:00Z");
const BUILT = new Date("2020-01-02T00:00:00Z");
const AFTER = new Date("2020-01-03T00:00:00Z");

/** Runs scripts/demo in a clone whose binary is newer than all the rest. */
async function demo(
  change: (clone: string) => Promise<unknown>,
  ...args: readonly string[]
): Promise<string[]> {
  await using clone = await makeTemporaryDir();
  const script = join(clone.path, "scripts/demo");
  for (const [name, text] of Object.entries(CLONE)) {
    const path = join(clone.path, name);
    await mkdir(dirname(path), { recursive: true });
    await Bun.write(path, text);
    await chmod(path, 0o755);
    await utimes(path, BEFORE, BEFORE);
  }
  for (const name of ["src", "src/cli"]) {
    await utimes(join(clone.path, name), BEFORE, BEFORE);
  }
  await utimes(join(clone.path, "dist/migasfree-agent"), BUILT, BUILT);
  await cp(join(import.meta.dir, "../../scripts/demo"), script);
  await change(clone.path);
  const { stdout } = Bun.spawnSync([script, ...args], { cwd: "/" });
  return stdout.toString().trimEnd().split("\n");
}

test("scripts/demo builds nothing when the binary is new enough", async () => {
  const lines = await demo(() => Promise.resolve(), "--size", "2 3");
  expect(lines).toEqual(["bun scripts/demo.ts --size 2 3"]);
});

const CHANGES: readonly [string, (clone: string) => Promise<unknown>][] = [
  [
    "there is no binary",
    (clone) => rm(join(clone, "dist"), { recursive: true }),
  ],
  ["a source has changed", (clone) => touch(join(clone, "src/cli/main.ts"))],
  ["a source was removed", (clone) => rm(join(clone, "src/cli/old.ts"))],
  ["a dependency changed", (clone) => touch(join(clone, "package-lock.json"))],
];

for (const [what, change] of CHANGES) {
  test(`scripts/demo builds the binary when ${what}`, async () => {
    expect(await demo(change, "--stay")).toEqual([
      "build",
      "bun scripts/demo.ts --stay",
    ]);
  });
}

test("scripts/demo --help needs no binary", async () => {
  const lines = await demo(
    (clone) => rm(join(clone, "dist"), { recursive: true }),
    "--help",
  );
  expect(lines).toEqual(["bun scripts/demo.ts --help"]);
});

async function touch(path: string): Promise<void> {
  await utimes(path, AFTER, AFTER);
}
