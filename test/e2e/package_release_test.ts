import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { expect } from "bun:test";
import { mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { buildServiceHost } from "../../scripts/build_service_host.ts";
import { makeDeb } from "../../scripts/package_formats.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

function testWith(...programs: readonly string[]) {
  return testUnless(missingProgram(...programs));
}

async function run(
  dir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const binary = join(dir, "program");
  await Bun.write(binary, "#!/bin/sh\nexit 0\n");
  const out = join(dir, "out");
  const child = Bun.spawn([
    ...[process.execPath, join(ROOT, "scripts/package.ts"), ...args],
    ...["--binary", binary, "--out", out, "--level", "0"],
  ], {
    cwd: ROOT,
    env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [status, stdout] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
  ]);
  return { status, stdout, out, names: (await readdir(out)).sort() };
}

async function version(): Promise<string> {
  return (await Bun.file(join(ROOT, "package.json")).json()).version;
}

async function signingKey(dir: string) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const path = join(dir, "key.pem");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await Bun.write(path, pem);
  return { path, publicKey };
}

for (
  const [target, kind, name, programs] of [
    [
      "windows-x64",
      "msi",
      (number: string) => `migasfree-agent-${number}-x64.msi`,
      ["wixl", "x86_64-w64-mingw32-gcc"],
    ],
    [
      "linux-x64",
      "tar",
      (number: string) => `migasfree-agent-${number}-linux-x64.tar.xz`,
      ["xz"],
    ],
  ] as const
) {
  testWith(...programs, "sha256sum")(
    `scripts/package makes a .${kind}, its checksum and a signature of that`,
    async () => {
      await using dir = await makeTemporaryDir();
      const key = await signingKey(dir.path);
      const args = [target, "--only", kind, "--key", key.path];
      const { names, out, status } = await run(dir.path, args);
      const file = name(await version());
      expect({ names, status }).toEqual({
        names: ["SHA256SUMS", "SHA256SUMS.sig", "install.sh", file].sort(),
        status: 0,
      });
      const sums = await Bun.file(join(out, "SHA256SUMS")).text();
      expect(sums).toMatch(/^[0-9a-f]{64} {2}\S+\n$/);
      const said = Bun.spawnSync(["sha256sum", "-c", "SHA256SUMS"], {
        cwd: out,
        env: { ...process.env, LC_ALL: "C" },
      }).stdout.toString();
      expect(said).toBe(`${file}: OK\n`);
      const signature = await Bun.file(join(out, "SHA256SUMS.sig")).bytes();
      const isSigned = (text: string) =>
        verify(null, Buffer.from(text), key.publicKey, signature);
      expect([isSigned(sums), isSigned(`${sums}\n`)]).toEqual([true, false]);
      const script = await Bun.file(join(out, "install.sh")).text();
      const [pem = ""] = /-----BEGIN PUBLIC KEY-----[^']*/.exec(script) ?? [];
      expect(createPublicKey(pem).equals(key.publicKey)).toBe(true);
    },
  );
}

testWith("git")(
  "scripts/package says what it cannot make here, and why",
  async () => {
    await using dir = await makeTemporaryDir();
    const PATH = join(dir.path, "bin");
    await mkdir(PATH);
    await symlink(Bun.which("git") ?? "", join(PATH, "git"));
    const { names, status, stdout } = await run(
      dir.path,
      ["windows-x64"],
      { PATH },
    );
    expect({ names, status, stdout }).toEqual({
      names: ["SHA256SUMS"],
      status: 0,
      stdout:
        "no msi for windows-x64: wixl, x86_64-w64-mingw32-gcc not installed\n" +
        "not signed, and no install.sh: give a key with --key\n",
    });
  },
);

testWith("x86_64-w64-mingw32-gcc")(
  "the service host of Windows is the same when it is compiled again",
  async () => {
    await using dir = await makeTemporaryDir();
    const paths = ["one.exe", "two.exe"].map((name) => join(dir.path, name));
    for (const path of paths) await buildServiceHost(path);
    const [one, two] = await Promise.all(
      paths.map((path) => Bun.file(path).bytes()),
    );
    expect(one?.length).toBeGreaterThan(10_000);
    expect(Buffer.compare(one ?? Buffer.of(), two ?? Buffer.of())).toBe(0);
  },
);

testWith("dpkg-deb", "lintian")(
  "lintian finds nothing in the .deb but what its overrides give reasons for",
  async () => {
    await using dir = await makeTemporaryDir();
    const file = await makeDeb({
      target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
      // A small ELF file: what lintian has against Bun's is in the overrides,
      // and scripts/package has it look at every .deb that is handed out.
      binary: "/bin/true",
      version: "2.0.0-alpha.1",
      epochSeconds: 1_700_000_000,
      outDir: dir.path,
      level: 0,
    });
    const argv = ["lintian", "--allow-root", "--fail-on=error,warning", file];
    const { exitCode, stdout } = Bun.spawnSync(argv);
    expect([exitCode, stdout.toString()]).toEqual([0, ""]);
  },
);
