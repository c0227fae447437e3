import { chmod, cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { completionScript } from "../src/cli/completion.ts";
import { createProgram } from "../src/cli/program.ts";
import { manPage } from "./man_page.ts";

/** What a package is made of. */
export interface TreeFacts {
  /** The compiled program. */
  readonly binary: string;
  readonly version: string;
  /** Seconds since 1970: what documents are dated. */
  readonly epochSeconds: number;
  /** For zsh's functions, which distributions keep in different places. */
  readonly zshDir: string;
}

/** Where a unit's file goes, and what it is called in `systemd/`. */
const UNIT_DIR = "usr/lib/systemd/system";

const PROGRAM_MODE = 0o755;
const FILE_MODE = 0o644;

/**
 * Puts into `root` what a package installs, from the repository's root.
 * Returns the paths of all files and links, sorted, without a leading slash.
 */
export async function writeTree(
  root: string,
  facts: TreeFacts,
): Promise<string[]> {
  const written: string[] = [];
  const put = async (path: string, content: string | Uint8Array) => {
    await makeParents(root, path);
    await Bun.write(join(root, path), content);
    await chmod(join(root, path), FILE_MODE);
    written.push(path);
  };
  await makeParents(root, "usr/bin/x");
  await cp(facts.binary, join(root, "usr/bin/migasfree-agent"));
  await chmod(join(root, "usr/bin/migasfree-agent"), PROGRAM_MODE);
  await symlink("migasfree-agent", join(root, "usr/bin/migasfree-connect"));
  written.push("usr/bin/migasfree-agent", "usr/bin/migasfree-connect");
  for await (const name of new Bun.Glob("migasfree-*").scan("systemd")) {
    const text = await Bun.file(`systemd/${name}`).text();
    if (name.endsWith(".sysusers")) {
      await put("usr/lib/sysusers.d/migasfree-agent.conf", text);
    } else if (name.endsWith(".tmpfiles")) {
      await put("usr/lib/tmpfiles.d/migasfree-agent.conf", text);
    } else await put(`${UNIT_DIR}/${name}`, text);
  }
  for (const [path, content] of await documents(facts)) {
    await put(path, content);
  }
  await makeParents(root, "etc/migasfree-agent/x");
  return written.sort();
}

async function documents(
  { epochSeconds, version, zshDir }: TreeFacts,
): Promise<Map<string, string | Uint8Array>> {
  const nobody = { answer: () => undefined, say: () => undefined };
  const program = createProgram(nobody, () => undefined);
  const share = "usr/share";
  const doc = `${share}/doc/migasfree-agent`;
  const bash = completionScript(program, "bash");
  const fish = completionScript(program, "fish");
  return new Map<string, string | Uint8Array>([
    [
      `${share}/man/man1/migasfree-agent.1.gz`,
      gzip(manPage(program, { version, epochSeconds })),
    ],
    [
      `${share}/man/man1/migasfree-connect.1.gz`,
      gzip(".so man1/migasfree-agent.1\n"),
    ],
    [`${share}/bash-completion/completions/migasfree-agent`, bash],
    [`${zshDir}/_migasfree-agent`, completionScript(program, "zsh")],
    [`${share}/fish/vendor_completions.d/migasfree-agent.fish`, fish],
    [`${doc}/copyright`, await Bun.file("packaging/deb/copyright").text()],
    [`${doc}/changelog.gz`, gzip(changelog(version, epochSeconds))],
    [`${doc}/OPERATIONS.md.gz`, gzip(await readDocument("OPERATIONS.md"))],
    [
      `${doc}/examples/agent.toml`,
      await Bun.file("packaging/agent.toml").text(),
    ],
    [
      `${doc}/examples/gateway.toml`,
      await Bun.file("packaging/gateway.toml").text(),
    ],
  ]);
}

async function readDocument(name: string): Promise<string> {
  return await Bun.file(`docs/${name}`).text();
}

/** In the form that Debian's tools read; what has changed is in ours. */
function changelog(version: string, epochSeconds: number): string {
  const date = new Date(epochSeconds * 1_000).toUTCString()
    .replace("GMT", "+0000");
  return `migasfree-agent (${
    debianVersion(version)
  }) unstable; urgency=medium\n\n` +
    `  * See CHANGELOG.md of the source.\n\n` +
    ` -- migasfree <fun.with@migasfree.org>  ${date}\n`;
}

/** `2.0.0-alpha.1` comes before `2.0.0`, which dpkg and rpm write with `~`. */
export function debianVersion(version: string): string {
  return version.replace("-", "~");
}

/** Without a time or a name in it, so that the same text gives the same bytes. */
function gzip(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}

/** Whatever umask whoever builds has. */
async function makeParents(root: string, path: string): Promise<void> {
  const dir = dirname(path);
  if (dir === "." || dir === "/") return;
  await makeParents(root, dir);
  await mkdir(join(root, dir), { recursive: true });
  await chmod(join(root, dir), PROGRAM_MODE);
}
