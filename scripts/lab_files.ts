import { generateKeyPairSync } from "node:crypto";
import { cp, mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makePredecessor } from "./lab_predecessor.ts";
import { makeArchive, makeDeb, makeRpm } from "./package_formats.ts";
import { signRelease } from "./sign_release.ts";
import { writeChecksums } from "./write_checksums.ts";

/** The program that is packed: what is tried is what is shipped. */
const BINARY = resolve(import.meta.dir, "../dist/migasfree-agent");

/** Two releases of one program: an upgrade is about packages, not about it. */
const VERSIONS = ["2.0.0-alpha.8", "2.0.0-alpha.9"] as const;

/**
 * Makes what the guest sees as `/lab`: lists, and two signed releases; or, if
 * it is to be quick, one package.
 */
async function main(dir: string, isQuick: boolean): Promise<void> {
  process.chdir(join(import.meta.dir, ".."));
  if (!await Bun.file(BINARY).exists()) {
    throw new Error(`There is no ${BINARY}: run ./scripts/build first`);
  }
  await mkdir(dir, { recursive: true });
  for (const name of await readdir("scripts/lab")) {
    await cp(join("scripts/lab", name), join(dir, name));
  }
  await cp(BINARY, join(dir, "migasfree-agent"));
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  for (const [index, version] of VERSIONS.entries()) {
    const outDir = join(dir, `release${index + 1}`);
    await mkdir(outDir);
    const order = {
      target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
      binary: BINARY,
      version,
      epochSeconds: 1_700_000_000,
      outDir,
      level: 0,
    };
    await makeDeb(order);
    if (isQuick) return;
    await makeArchive(order);
    if (Bun.which("rpmbuild")) await makeRpm(order);
    await writeChecksums(outDir);
    await signRelease(outDir, key, version);
  }
  await makePredecessor(dir);
}

await main(resolve(process.argv[2] ?? "lab"), process.argv[3] === "--quick");
