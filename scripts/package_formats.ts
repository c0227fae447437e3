import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fill, runTool } from "./package_commands.ts";
import { debianVersion, writeTree } from "./package_tree.ts";

/** One platform, as each kind of package calls it. */
export interface PackageTarget {
  /** As `scripts/build` calls it. */
  readonly name: string;
  /** Undefined: nobody has packages for it, only the archive. */
  readonly debian: string | undefined;
  readonly rpm: string | undefined;
}

/** What is to be packed, and how. */
export interface PackageOrder {
  readonly target: PackageTarget;
  readonly binary: string;
  readonly version: string;
  readonly epochSeconds: number;
  /** Directory that packages go to. */
  readonly outDir: string;
  /** 0 (fast) to 9 (small). */
  readonly level: number;
}

const SCRIPT_MODE = 0o755;
const MAINTAINER_SCRIPTS = ["preinst", "postinst", "prerm", "postrm"];
const DEBIAN_ZSH = "usr/share/zsh/vendor-completions";
const OTHER_ZSH = "usr/share/zsh/site-functions";
const MANIFEST = "usr/lib/migasfree-agent/manifest";
const VERSION = "usr/lib/migasfree-agent/version";

/** Makes a `.deb` with dpkg-deb. Returns the path of the package. */
export async function makeDeb(order: PackageOrder): Promise<string> {
  const { epochSeconds, level, outDir, target } = order;
  const version = debianVersion(order.version);
  const file = join(outDir, `migasfree-agent_${version}_${target.debian}.deb`);
  await inTemporaryDir(async (dir) => {
    const paths = await writeTree(dir, { ...order, zshDir: DEBIAN_ZSH });
    const overrides = "usr/share/lintian/overrides/migasfree-agent";
    await copyText("packaging/deb/lintian-overrides", join(dir, overrides));
    const control = join(dir, "DEBIAN");
    await mkdir(control);
    const kilobytes = runTool(["du", "-sk", "--apparent-size", dir]);
    await Bun.write(
      join(control, "control"),
      fill(await Bun.file("packaging/deb/control").text(), {
        VERSION: version,
        ARCHITECTURE: target.debian ?? "",
        INSTALLED_SIZE: kilobytes.split("\t")[0] ?? "",
      }),
    );
    await Bun.write(
      join(control, "md5sums"),
      runTool(["md5sum", ...withoutLinks(paths), overrides], { cwd: dir }),
    );
    for (const name of MAINTAINER_SCRIPTS) {
      const path = join(control, name);
      await Bun.write(path, await scriptText(`packaging/deb/${name}`));
      await chmod(path, SCRIPT_MODE);
    }
    await chmod(control, SCRIPT_MODE);
    const options = ["--root-owner-group", "-Zxz", `-z${level}`, "--build"];
    runTool(["dpkg-deb", ...options, dir, file], sourceDate(epochSeconds));
  });
  return file;
}

/** Makes an `.rpm` with rpmbuild. Returns the path of the package. */
export async function makeRpm(order: PackageOrder): Promise<string> {
  const { epochSeconds, level, outDir, target } = order;
  const version = debianVersion(order.version);
  const name = `migasfree-agent-${version}-1.${target.rpm}.rpm`;
  await inTemporaryDir(async (dir) => {
    const tree = join(dir, "tree");
    const paths = await writeTree(tree, { ...order, zshDir: OTHER_ZSH });
    const spec = await scriptText("packaging/rpm/migasfree-agent.spec");
    const levelled = spec.replace("w6.xzdio", `w${level}.xzdio`);
    await Bun.write(
      join(dir, "migasfree-agent.spec"),
      fill(levelled, {
        VERSION: version,
        TREE: tree,
        FILES: paths.map((path) => `/${path}`).join("\n"),
      }),
    );
    const topDir = ["--define", `_topdir ${join(dir, "top")}`];
    const target_ = ["--target", `${target.rpm}-linux`];
    const specFile = join(dir, "migasfree-agent.spec");
    runTool(
      ["rpmbuild", "-bb", ...target_, ...topDir, specFile],
      sourceDate(epochSeconds),
    );
    await cp(
      join(dir, "top/RPMS", target.rpm ?? "", name),
      join(outDir, name),
    );
  });
  return join(outDir, name);
}

/** Makes the archive that install.sh unpacks. Returns its path. */
export async function makeArchive(order: PackageOrder): Promise<string> {
  const { epochSeconds, level, outDir, target, version } = order;
  const file = join(
    outDir,
    `migasfree-agent-${version}-${target.name}.tar.xz`,
  );
  await inTemporaryDir(async (dir) => {
    const paths = await writeTree(dir, { ...order, zshDir: OTHER_ZSH });
    const all = [...paths, MANIFEST, VERSION].sort();
    await Bun.write(join(dir, MANIFEST), `${all.join("\n")}\n`);
    await Bun.write(join(dir, VERSION), `${version}\n`);
    await Bun.write(join(dir, "VERSION"), `${version}\n`);
    runTool([
      ...["tar", "--create", `--file=${file}`, "--format=ustar"],
      ...["--sort=name", "--owner=0", "--group=0", "--numeric-owner"],
      ...[`--mtime=@${epochSeconds}`, "--mode=go-w"],
      // Two threads whatever the machine: their number is in the bytes.
      ...[`--use-compress-program=xz -T2 -${level}`, "--directory", dir],
      ...["VERSION", "usr"],
    ]);
  });
  return file;
}

/** Returns a script of a package, with what all of them share filled in. */
export async function scriptText(path: string): Promise<string> {
  const text = await Bun.file(path).text();
  const service = await Bun.file("packaging/service.sh").text();
  // A script that shares nothing with the others is left as it is.
  return text.includes("#SERVICE#")
    ? text.replaceAll("#SERVICE#", () => service.trimEnd())
    : text;
}

function sourceDate(epochSeconds: number) {
  const env = {
    SOURCE_DATE_EPOCH: String(epochSeconds),
    // As for the archive: as many blocks, whatever the machine.
    DPKG_DEB_THREADS_MAX: "2",
  };
  return { env };
}

function withoutLinks(paths: readonly string[]): string[] {
  return paths.filter((path) => path !== "usr/bin/migasfree-connect");
}

async function copyText(from: string, to: string): Promise<void> {
  await Bun.write(to, await Bun.file(from).text());
}

async function inTemporaryDir(
  work: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "migasfree-package-"));
  // Whatever umask whoever builds has.
  const umask = process.umask(0o022);
  try {
    await chmod(dir, SCRIPT_MODE);
    await work(dir);
  } finally {
    process.umask(umask);
    await rm(dir, { recursive: true, force: true });
  }
}
