import { mkdtemp, rm, symlink, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildServiceHost } from "./build_service_host.ts";
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

/** Makes the .msi, from the repository's root. Returns its path. */
export async function makeMsi(order: MsiOrder): Promise<string> {
  const { binary, epochSeconds, outDir, version } = order;
  const file = join(outDir, `migasfree-agent-${version}-x64.msi`);
  const dir = await mkdtemp(join(tmpdir(), "migasfree-msi-"));
  try {
    const host = join(dir, "migasfree-agent-service.exe");
    if (!await buildServiceHost(host)) throw new Error("There is no mingw-w64");
    await utimes(host, epochSeconds, epochSeconds);
    // wixl finds files beside the description, and nowhere else.
    await symlink(resolve(binary), join(dir, "migasfree-agent.exe"));
    const text = await Bun.file("windows/migasfree-agent.wxs").text();
    const wxs = join(dir, "migasfree-agent.wxs");
    await Bun.write(wxs, fill(text, { VERSION: msiVersion(version) }));
    runTool(["wixl", "-a", "x64", "-o", file, wxs], {
      env: { SOURCE_DATE_EPOCH: String(epochSeconds) },
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return file;
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
