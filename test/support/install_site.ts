import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeArchive } from "../../scripts/package_formats.ts";
import { signRelease } from "../../scripts/sign_release.ts";
import { writeChecksums } from "../../scripts/write_checksums.ts";
import { throwawayCertificate } from "./throwaway_certificate.ts";

/** Shells that /bin/sh is somewhere. */
export const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]] as const;

/** How install.sh ended in a root of its own. */
export interface Installed {
  readonly status: number;
  readonly output: string;
  /** Files that are not as they were, and directories that are new and empty. */
  readonly changes: readonly string[];
}

export interface RunOptions {
  readonly shell?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Room for all changes. */
  readonly kilobytes?: number;
  /** Shell that changes the root, `$root`, before. */
  readonly before?: string;
  /** Instead of install.sh itself: shell that has it as `$1`. */
  readonly program?: string;
}

const ROOT = new URL("../../", import.meta.url).pathname;
const ROOT_SCRIPT = join(ROOT, "test/support/install_root.sh");
/** For one who wants every failure in another one: MIGASFREE_TEST_SHELL. */
const DEFAULT_SHELL = (process.env["MIGASFREE_TEST_SHELL"] ?? "dash")
  .split(" ");
const DEFAULT_KILOBYTES = 64 * 1024;

/** What stands for the program: it is about the way it takes, not about it. */
const PROGRAM = `#!/bin/sh
case $1 in
version) echo "migasfree-agent 0" ;;
completion) echo "run gateway" ;;
*) exit 64 ;;
esac
`;

/** A server of releases, which a test may spoil, and roots to install into. */
export class InstallSite implements AsyncDisposable {
  readonly #dir: string;
  readonly #server: Bun.Server<undefined>;
  readonly #key: string;
  /** Of the server. */
  readonly tls: { readonly cert: string; readonly key: string };

  private constructor(
    dir: string,
    server: Bun.Server<undefined>,
    key: string,
    tls: { readonly cert: string; readonly key: string },
  ) {
    this.tls = tls;
    this.#dir = dir;
    this.#server = server;
    this.#key = key;
  }

  static async create(version = "2.0.0"): Promise<InstallSite> {
    const dir = await mkdtemp(join(tmpdir(), "migasfree-install-"));
    // Whoever is no root in there must be able to read it, too.
    await chmod(dir, 0o755);
    const { cert, key } = throwawayCertificate({
      name: "localhost",
      dnsNames: ["localhost"],
      isAuthority: true,
    });
    await Bun.write(join(dir, "ca.pem"), cert);
    const release = join(dir, "release");
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      fetch: async (request) => {
        const name = new URL(request.url).pathname.split("/").at(-1) ?? "";
        const file = Bun.file(join(release, name));
        return await file.exists()
          ? new Response(file)
          : new Response("", { status: 404 });
      },
    });
    const { privateKey } = generateKeyPairSync("ed25519");
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const site = new InstallSite(dir, server, pem, { cert, key });
    await site.release(version);
    return site;
  }

  get dir(): string {
    return this.#dir;
  }

  get url(): string {
    return `https://localhost:${this.#server.port}`;
  }

  /** Path of a file that the server hands out. */
  file(name: string): string {
    return join(this.#dir, "release", name);
  }

  get script(): string {
    return this.file("install.sh");
  }

  /** What the server has at the end of `url`. */
  async read(url: string): Promise<Uint8Array<ArrayBuffer>> {
    const name = new URL(url).pathname.split("/").at(-1) ?? "";
    return await Bun.file(this.file(name)).bytes();
  }

  /** Makes, and signs, what the server has from now on. */
  async release(version: string, program = PROGRAM): Promise<void> {
    const outDir = join(this.#dir, "release");
    await rm(outDir, { recursive: true, force: true });
    await mkdir(outDir);
    const binary = join(this.#dir, "program");
    await Bun.write(binary, program);
    await makeArchive({
      target: { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
      binary,
      version,
      epochSeconds: 1_700_000_000,
      outDir,
      level: 0,
    });
    await this.sign(version);
  }

  /** Signs what the server has, as it is now. */
  async sign(version: string): Promise<void> {
    const outDir = join(this.#dir, "release");
    await writeChecksums(outDir);
    await signRelease(outDir, this.#key, version);
  }

  async archiveName(): Promise<string> {
    const names = await readdir(join(this.#dir, "release"));
    const name = names.find((each) => each.endsWith(".tar.xz"));
    if (name === undefined) throw new Error("There is no archive");
    return name;
  }

  /** Runs install.sh with `args` in a root that is thrown away. */
  async run(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Installed> {
    const { before = ":", kilobytes = DEFAULT_KILOBYTES, program } = options;
    const shell = options.shell ?? DEFAULT_SHELL;
    const words = [
      "--from",
      this.url,
      "--ca",
      join(this.#dir, "ca.pem"),
      ...args,
    ];
    const inside = program === undefined
      ? [...shell, this.script, ...words]
      : ["sh", "-c", program, "sh", this.script, ...words];
    const child = Bun.spawn([
      ...["unshare", "--mount", "--propagation", "private", "sh"],
      ...[ROOT_SCRIPT, String(kilobytes), before, ...inside],
    ], {
      env: {
        ...{ PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [status, text, errors] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const [output = "", changes = ""] = text.split(/^--\n/m);
    return {
      status,
      output: output + errors,
      changes: changes.split("\n").filter((line) => line !== ""),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Why install.sh cannot be run here as it would be: it is for root. */
export function noInstallRoot(): string | undefined {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) {
    return "only root can make a root to install in";
  }
  const { success } = Bun.spawnSync([
    ...["unshare", "--mount", "--propagation", "private", "sh", "-c"],
    "d=$(mktemp -d); trap 'umount -l $d; rmdir $d' EXIT; mount -t tmpfs t $d && mkdir $d/u $d/w $d/r && " +
    "mount -t overlay o -o lowerdir=/,upperdir=$d/u,workdir=$d/w $d/r",
  ], { stdio: ["ignore", "ignore", "ignore"] });
  return success ? undefined : "no overlay can be mounted here";
}
