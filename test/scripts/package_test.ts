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
import { makeMsi } from "../../scripts/package_msi.ts";
import { debianVersion } from "../../scripts/package_tree.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

function testWith(...programs: readonly string[]) {
  return testUnless(missingProgram(...programs));
}

/** Small: what a package does with the program does not depend on its size. */
async function orderIn(
  dir: string,
): Promise<PackageOrder & { readonly host: string }> {
  const binary = join(dir, "program");
  await Bun.write(binary, "#!/bin/sh\nexit 0\n");
  return {
    target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
    ...{ binary, host: binary },
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
  ["a .deb", makeDeb, ["dpkg-deb"]],
  ["an .rpm", makeRpm, ["rpmbuild"]],
  ["a .tar.xz", makeArchive, ["xz"]],
  ["an .msi", makeMsi, ["wixl"]],
] as const;

for (const [what, make, programs] of KINDS) {
  testWith(...programs)(
    `${what} is the same when it is made again`,
    async () => {
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
    },
  );
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

const DOCUMENTS = [
  "usr/share/bash-completion/completions/migasfree-agent",
  "usr/share/fish/vendor_completions.d/migasfree-agent.fish",
  "usr/share/man/man1/migasfree-agent.1.gz",
  "usr/share/man/man1/migasfree-connect.1.gz",
];

for (
  const [what, make, programs, argv, zsh] of [
    [
      "the .deb",
      makeDeb,
      ["dpkg-deb"],
      ["dpkg-deb", "--contents"],
      "usr/share/zsh/vendor-completions/_migasfree-agent",
    ],
    [
      "the .rpm",
      makeRpm,
      ["rpmbuild", "rpm"],
      ["rpm", "-qlp"],
      "usr/share/zsh/site-functions/_migasfree-agent",
    ],
    [
      "the .tar.xz",
      makeArchive,
      ["xz"],
      ["tar", "-tJf"],
      "usr/share/zsh/site-functions/_migasfree-agent",
    ],
  ] as const
) {
  testWith(...programs)(
    `${what} has manual pages and completions`,
    async () => {
      await using dir = await makeTemporaryDir();
      const file = await make(await orderIn(dir.path));
      const { stdout } = Bun.spawnSync([...argv, file]);
      const listed = stdout.toString().split("\n")
        .map((line) => line.replace(/^.*?(?:\.\/|(?=usr\/))/, ""));
      expect(listed).toEqual(expect.arrayContaining([...DOCUMENTS, zsh]));
    },
  );
}

/** What `msiinfo export` prints of a table, below its three lines of names. */
function rowsOf(file: string, table: string): string[][] {
  const { stdout } = Bun.spawnSync(["msiinfo", "export", file, table]);
  return stdout.toString().split(/\r?\n/).slice(3, -1)
    .map((line) => line.split("\t"));
}

testWith("wixl", "msiinfo")(
  "the .msi removes any other version before it puts its files there",
  async () => {
    await using dir = await makeTemporaryDir();
    const file = await makeMsi(await orderIn(dir.path));
    const sequence = new Map(
      rowsOf(file, "InstallExecuteSequence")
        .map(([action, , number]) => [action, Number(number)]),
    );
    const actions = [
      ...["FindRelatedProducts", "InstallInitialize", "RemoveExistingProducts"],
      ...["RemoveService", "RemoveFiles", "InstallFiles", "InstallService"],
      "InstallFinalize",
    ];
    const numbers = actions.map((action) => sequence.get(action) ?? NaN);
    expect(numbers).toEqual(numbers.toSorted((one, two) => one - two));
    const [, upgradeCode] =
      rowsOf(file, "Property").find(([name]) => name === "UpgradeCode") ?? [];
    // 0.0.0 or more, and no upper end; 256: from 0.0.0 on.
    expect(rowsOf(file, "Upgrade"))
      .toEqual([[
        upgradeCode ?? "none",
        "0.0.0",
        "",
        "",
        "256",
        "",
        "OTHER_VERSION",
      ]]);
  },
);

testWith("wixl", "msiinfo")(
  "another program, or another version, is another product for Windows",
  async () => {
    await using dir = await makeTemporaryDir();
    const order = await orderIn(dir.path);
    const codes = new Set<string | undefined>();
    const collect = async (changes: Partial<PackageOrder>) => {
      const file = await makeMsi({ ...order, ...changes });
      const rows = rowsOf(file, "Property");
      codes.add(rows.find(([name]) => name === "ProductCode")?.[1]);
      const said = Bun.spawnSync(["msiinfo", "suminfo", file]).stdout;
      codes.add(/\{[-0-9A-F]{36}\}/.exec(said.toString())?.[0]);
      expect(said.toString()).toContain("Tue Nov 14 22:13:20 2023");
    };
    await collect({});
    await collect({ version: "2.0.0-alpha.2" });
    await collect({ binary: "/bin/true" });
    expect(codes.has(undefined)).toBe(false);
    expect(codes.size).toBe(6);
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
