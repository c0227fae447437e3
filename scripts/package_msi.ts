import { createHash } from "node:crypto";
import { copyFile, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildServiceHost } from "./build_service_host.ts";
import { nameMsi } from "./name_msi.ts";
import { fill, runTool } from "./package_commands.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";

const HELP = `Usage: scripts/package_msi [OPTION…]

Makes dist/migasfree-agent-VERSION-x64.msi of dist/migasfree-agent-windows-x64.exe
and the service host, with wixl (Debian: wixl, gcc-mingw-w64-x86-64).

  --binary FILE  pack this program instead
  --out DIR      where to; default: dist
  --help         say this
`;

const OPTIONS = {
  binary: {
    type: "string",
    default: "dist/migasfree-agent-windows-x64.exe",
  },
  out: { type: "string", default: "dist" },
  help: { type: "boolean" },
} as const;

const EXIT_UNAVAILABLE = 69;

/** What an .msi is made of. */
export interface MsiOrder {
  /** The program for Windows. */
  readonly binary: string;
  /** What runs it as a service; undefined: it is compiled. */
  readonly host?: string;
  /** As in package.json. */
  readonly version: string;
  readonly epochSeconds: number;
  readonly outDir: string;
}

/** Why no .msi can be made here; undefined: one can. */
export function msiMissing(): string | undefined {
  const missing = ["wixl", "x86_64-w64-mingw32-gcc"].filter((name) =>
    !Bun.which(name)
  );
  return missing.length === 0
    ? undefined
    : `${missing.join(", ")} not installed`;
}

/**
 * Makes the .msi, from the repository's root. The same order and the same tools
 * give the same bytes. Returns its path.
 */
export async function makeMsi(order: MsiOrder): Promise<string> {
  const { binary, epochSeconds, outDir, version } = order;
  const file = join(outDir, `migasfree-agent-${version}-x64.msi`);
  const dir = await mkdtemp(join(tmpdir(), "migasfree-msi-"));
  try {
    const host = join(dir, "migasfree-agent-service.exe");
    if (order.host !== undefined) await copyFile(order.host, host);
    else if (!await buildServiceHost(host)) {
      throw new Error("There is no mingw-w64");
    }
    // wixl finds files beside the description, and nowhere else; it packs the
    // times that they have.
    const program = join(dir, "migasfree-agent.exe");
    await copyFile(resolve(binary), program);
    const text = await Bun.file("windows/migasfree-agent.wxs").text();
    const digest = createHash("sha256")
      .update(`${version} ${epochSeconds} ${text}`);
    for (const path of [program, host]) {
      await utimes(path, epochSeconds, epochSeconds);
      for await (const chunk of Bun.file(path).stream()) digest.update(chunk);
    }
    const contentHex = digest.digest("hex");
    const wxs = join(dir, "migasfree-agent.wxs");
    await Bun.write(
      wxs,
      fill(text, {
        VERSION: msiVersion(version),
        PRODUCT_CODE: codeOf("product", contentHex),
      }),
    );
    const made = join(dir, "made.msi");
    runTool(["wixl", "-a", "x64", "-o", made, wxs], {
      env: { SOURCE_DATE_EPOCH: String(epochSeconds) },
    });
    const packageCode = `{${codeOf("package", contentHex)}}`;
    const bytes = await Bun.file(made).bytes();
    await Bun.write(file, nameMsi(bytes, packageCode, epochSeconds));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return file;
}

/**
 * Which product, or package, this is: Windows takes two with the same code for
 * the same, and so they are. RFC 9562 §5.8: a UUID of a hash is version 8.
 */
function codeOf(what: string, contentHex: string): string {
  const hash = createHash("sha256").update(`${what} ${contentHex}`);
  const hex = hash.digest("hex").toUpperCase();
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `A${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

/** Windows Installer compares three numbers, and knows no `-alpha`. */
function msiVersion(version: string): string {
  return version.replace(/[-+].*$/, "");
}

async function main(argv: string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  if (flags.values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const outDir = resolve(flags.values.out);
  const binary = resolve(flags.values.binary);
  process.chdir(join(import.meta.dir, ".."));
  const missing = msiMissing();
  if (missing !== undefined) {
    process.stderr.write(`Cannot make an .msi: ${missing}\n`);
    return EXIT_UNAVAILABLE;
  }
  const { version } = await Bun.file("package.json").json();
  const commitTime = runTool(["git", "log", "-1", "--format=%ct"]).trim();
  const epoch = process.env["SOURCE_DATE_EPOCH"] ?? commitTime;
  const epochSeconds = Number(epoch);
  const file = await makeMsi({ binary, version, epochSeconds, outDir });
  const megabytes = (Bun.file(file).size / 1e6).toFixed(1);
  process.stdout.write(`${file}: ${megabytes} MB\n`);
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
