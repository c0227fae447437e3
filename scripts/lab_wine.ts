import { copyFile, mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { buildServiceHost } from "./build_service_host.ts";
import { WineLab } from "./lab_wine_steps.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";
import { Wine } from "./wine.ts";

const HELP =
  `Usage: scripts/lab-wine [--binary FILE] [--msi FILE [--newer-msi FILE]]

Tries the Windows program under Wine 8 with a gateway of this computer:
version, doctor, run with a tunnel that moves bytes; the service: install,
start, stop, a crash, a hang, uninstall; and the .msi, if one is given, with an
upgrade, if another one is. Prints what it saw. It says nothing about a real Windows.

With the Debian packages wine64 and gcc-mingw-w64-x86-64, and the programs of
scripts/build (this machine's, and windows-x64 unless --binary names one). What
cannot be done here is said, and ends with status 69.

  --binary FILE     default: dist/migasfree-agent-windows-x64.exe
  --msi FILE        install and uninstall this package as well
  --newer-msi FILE  install this one over it in between
  --only-msi        nothing but packages
  --help            say this

LAB_DIR, default /var/cache/migasfree-agent-lab, keeps the Windows: 700 MB.
`;

const OPTIONS = {
  binary: {
    type: "string",
    default: "dist/migasfree-agent-windows-x64.exe",
  },
  msi: { type: "string" },
  "newer-msi": { type: "string" },
  "only-msi": { type: "boolean" },
  help: { type: "boolean" },
} as const;

const EXIT_SKIPPED = 69;
const PROGRAM_DIR = "Program Files/migasfree-agent";

async function main(argv: string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { help, binary, msi } = flags.values;
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const missing = Wine.missing();
  if (missing !== undefined) {
    process.stdout.write(`lab-wine: skipped: ${missing}\n`);
    return EXIT_SKIPPED;
  }
  const program = resolve(binary);
  const packagePath = msi === undefined ? undefined : resolve(msi);
  const newer = flags.values["newer-msi"];
  const newerPath = newer === undefined ? undefined : resolve(newer);
  process.chdir(join(import.meta.dir, ".."));
  const labDir = process.env["LAB_DIR"] ?? "/var/cache/migasfree-agent-lab";
  await using wine = await Wine.open(join(labDir, "wine"));
  const dir = join(wine.drive, PROGRAM_DIR);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await copyFile(program, join(dir, "migasfree-agent.exe"));
  await buildServiceHost(join(dir, "migasfree-agent-service.exe"));
  const lab = await WineLab.create(wine);
  await using _ = lab;
  if (!flags.values["only-msi"]) {
    await lab.console();
    await lab.service();
  }
  if (packagePath !== undefined) {
    await rm(dir, { recursive: true, force: true });
    await lab.msi(packagePath, newerPath);
  }
  process.stdout.write("checked under wine: all of it held\n");
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
