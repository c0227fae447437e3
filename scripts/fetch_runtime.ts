import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BuildTarget } from "./build_targets.ts";

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly integrity: string }>
  >;
}

/**
 * Gets Bun for another platform into `dir` and returns its path. It comes by
 * npm, as Bun itself did, and must be the bytes that package-lock.json names:
 * what is downloaded while building ends up in the product.
 */
export async function fetchRuntime(
  target: BuildTarget,
  dir: string,
): Promise<string> {
  const lock: Lock = await Bun.file("package-lock.json").json();
  const locked = lock.packages[`node_modules/${target.runtime}`];
  if (!locked) {
    throw new Error(`Cannot get ${target.runtime}: package-lock.json has none`);
  }
  const name = `${target.runtime}@${locked.version}`;
  const command = ["npm", "pack", "--silent", "--pack-destination", dir, name];
  const npm = Bun.spawnSync(command, { stderr: "inherit" });
  if (!npm.success) throw new Error(`Cannot get ${name}: npm pack failed`);
  const archivePath = join(dir, npm.stdout.toString().trim());
  const archive = await Bun.file(archivePath).bytes();
  checkIntegrity(name, archive, locked.integrity);
  const path = `package/${target.runtimePath}`;
  await new Bun.Archive(archive).extract(dir, { glob: path });
  return join(dir, path);
}

/**
 * Compares bytes with a digest such as `sha512-…` (W3C Subresource Integrity
 * §3.1), as a lock file has it.
 */
export function checkIntegrity(
  name: string,
  bytes: Uint8Array,
  integrity: string,
): void {
  const digest = createHash("sha512").update(bytes).digest("base64");
  if (`sha512-${digest}` !== integrity) {
    throw new Error(
      `Cannot use ${name}: it is not what package-lock.json pins`,
    );
  }
}
