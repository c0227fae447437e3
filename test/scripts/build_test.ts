import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILD_TARGETS } from "../../scripts/build_targets.ts";
import { checkIntegrity } from "../../scripts/fetch_runtime.ts";
import { writeChecksums } from "../../scripts/write_checksums.ts";

const ROOT = join(import.meta.dir, "../..");

function build(...args: string[]): [exitCode: number, stderr: string] {
  const command = [process.execPath, "scripts/build.ts", ...args];
  const { exitCode, stderr } = Bun.spawnSync(command, { cwd: ROOT });
  return [exitCode, stderr.toString()];
}

test("build refuses an unknown target and lists the known ones", () => {
  expect(build("linux-x64", "amiga")).toEqual([
    64,
    "Cannot build for amiga: there are linux-x64, linux-arm64, " +
    "linux-x64-musl, linux-arm64-musl, windows-x64, darwin-x64, " +
    "darwin-arm64, all\n",
  ]);
});

test("build refuses an unknown flag", () => {
  const [exitCode, stderr] = build("--minify");
  expect(exitCode).toBe(64);
  expect(stderr).toContain("'--minify'");
});

for (const [name, { runtime }] of BUILD_TARGETS) {
  test(`build finds Bun for ${name} in the lock file, with its digest`, async () => {
    const { packages } = await Bun.file(join(ROOT, "package-lock.json")).json();
    const { version, integrity } = packages[`node_modules/${runtime}`];
    expect(version).toBe(Bun.version);
    expect(integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
  });
}

test("checkIntegrity() takes the bytes that the lock file names, and no other", () => {
  const bytes = new TextEncoder().encode("bytes");
  const digest = createHash("sha512").update(bytes).digest("base64");
  checkIntegrity("a@1", bytes, `sha512-${digest}`);
  expect(() => checkIntegrity("a@1", bytes.subarray(1), `sha512-${digest}`))
    .toThrow("Cannot use a@1: it is not what package-lock.json pins");
});

test("writeChecksums() sums up the binaries, sorted, and nothing else", async () => {
  const dir = await mkdtemp(join(tmpdir(), "migasfree-sums-"));
  try {
    for (const name of ["migasfree-agent-b", "migasfree-agent", "notes.txt"]) {
      await Bun.write(join(dir, name), "abc");
    }
    // The digest of "abc": FIPS 180-4, the example for SHA-256.
    const digest =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const text = `${digest}  migasfree-agent\n${digest}  migasfree-agent-b\n`;
    expect(await writeChecksums(dir)).toBe(text);
    expect(await Bun.file(join(dir, "SHA256SUMS")).text()).toBe(text);
    // Its own file is not summed up when it is written again.
    expect(await writeChecksums(dir)).toBe(text);
  } finally {
    await rm(dir, { recursive: true });
  }
});
