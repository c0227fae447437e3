import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Site } from "./site.ts";

/** Notes each call; what it answers lies in files beside it. */
const MIGASFREE = `#!/bin/sh
dir=\${0%/bin/*}
echo "$AS_ROOT$*" >> "$dir/calls"
case "$*" in
"--quiet conf --json") . "$dir/conf" ;;
"--quiet info id") . "$dir/id" ;;
*) exit 64 ;;
esac
`;

/** Runs the rest as root, as far as anybody can tell. */
const SUDO = `#!/bin/sh
[ "$1" = -n ] || exit 1
shift
AS_ROOT="sudo " exec "$@"
`;

/** A folder with programs of the names `migasfree` and `sudo`. */
export class FakeMigasfree {
  readonly dir: string;
  /** For the agent: these programs before all others. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(dir: string) {
    this.dir = dir;
    this.env = { PATH: `${join(dir, "bin")}:${process.env["PATH"]}` };
  }

  /** Installs both, below the directory of `site`. */
  static async install(site: Site, name = "client"): Promise<FakeMigasfree> {
    const fake = new FakeMigasfree(join(site.dir, name));
    const bin = join(fake.dir, "bin");
    await mkdir(bin, { recursive: true });
    for (const [file, text] of [["migasfree", MIGASFREE], ["sudo", SUDO]]) {
      await writeFile(join(bin, String(file)), String(text));
      await chmod(join(bin, String(file)), 0o755);
    }
    await fake.conf({});
    await fake.id("exit 1");
    return fake;
  }

  /** From now on `conf --json` prints `conf`, or does what a script says. */
  async conf(conf: object | string): Promise<void> {
    const script = typeof conf === "string"
      ? conf
      : `cat <<'EOF'\n${JSON.stringify(conf)}\nEOF\n`;
    await writeFile(join(this.dir, "conf"), script);
  }

  /** From now on `info id` does what `script` says. */
  async id(script: string): Promise<void> {
    await writeFile(join(this.dir, "id"), script);
  }

  /** What has been called so far, one line a call. */
  get calls(): string[] {
    const file = join(this.dir, "calls");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8").trim().split("\n");
  }
}
