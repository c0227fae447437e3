import { createHash } from "node:crypto";
import { expect } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  makeArchive,
  makeDeb,
  makeRpm,
  type PackageOrder,
} from "../../scripts/package_formats.ts";
import { debianVersion } from "../../scripts/package_tree.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

function testWith(...programs: readonly string[]) {
  return testUnless(missingProgram(...programs));
}

/** Small: what a package does with the program does not depend on its size. */
async function orderIn(dir: string): Promise<PackageOrder> {
  const binary = join(dir, "program");
  await Bun.write(binary, "#!/bin/sh\nexit 0\n");
  return {
    target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
    binary,
    version: "2.0.0-alpha.1",
    epochSeconds: 1_700_000_000,
    outDir: dir,
    level: 0,
  };
}

async function digestOf(path: string): Promise<string> {
  return createHash("sha256").update(await Bun.file(path).bytes())
    .digest("hex");
}

const KINDS = [
  ["a .deb", makeDeb, "dpkg-deb"],
  ["an .rpm", makeRpm, "rpmbuild"],
  ["a .tar.xz", makeArchive, "xz"],
] as const;

for (const [what, make, program] of KINDS) {
  testWith(program)(`${what} is the same when it is made again`, async () => {
    await using first = await makeTemporaryDir();
    await using second = await makeTemporaryDir();
    const one = await make(await orderIn(first.path));
    // Whoever builds may have another umask, and files of another time.
    const umask = process.umask(0o077);
    let two: string;
    try {
      two = await make(await orderIn(second.path));
    } finally {
      process.umask(umask);
    }
    expect(await digestOf(two)).toBe(await digestOf(one));
  });
}

testWith("dpkg-deb")(
  "the .deb has files with root's modes, and scripts that are shell",
  async () => {
    await using dir = await makeTemporaryDir();
    const file = await makeDeb(await orderIn(dir.path));
    const listing = Bun.spawnSync(["dpkg-deb", "--contents", file]).stdout
      .toString();
    const modes = new Set(
      listing.trim().split("\n").map((line) => line.slice(0, 20).trim()),
    );
    expect([...modes].sort()).toEqual([
      "-rw-r--r-- root/root",
      "-rwxr-xr-x root/root",
      "drwxr-xr-x root/root",
      "lrwxrwxrwx root/root",
    ]);
    expect(listing).toContain(
      "./usr/bin/migasfree-connect -> migasfree-agent\n",
    );
    const control = join(dir.path, "control");
    Bun.spawnSync(["dpkg-deb", "--control", file, control]);
    const scripts = ["postinst", "postrm", "preinst", "prerm"];
    expect((await readdir(control)).sort())
      .toEqual(["control", "md5sums", ...scripts]);
    for (const name of scripts) {
      const path = join(control, name);
      const { exitCode } = Bun.spawnSync(["sh", "-n", path]);
      expect([name, exitCode]).toEqual([name, 0]);
      expect(await Bun.file(path).text()).not.toContain("#SERVICE#");
    }
  },
);

testWith("dpkg")(
  "an alpha is newer than 1.x, and older than its release",
  () => {
    const isLess = (one: string, two: string) =>
      Bun.spawnSync(["dpkg", "--compare-versions", one, "lt", two]).exitCode ===
        0;
    const alpha = debianVersion("2.0.0-alpha.1");
    expect([
      isLess("1.4.1-1", alpha),
      isLess(alpha, debianVersion("2.0.0-alpha.2")),
      isLess(alpha, debianVersion("2.0.0")),
    ]).toEqual([true, true, true]);
  },
);
