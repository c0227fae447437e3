import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BUILD_TARGETS } from "./build_targets.ts";
import { runTool } from "./package_commands.ts";
import {
  makeArchive,
  makeDeb,
  makeRpm,
  type PackageOrder,
  type PackageTarget,
} from "./package_formats.ts";
import { makeMsi, msiMissing } from "./package_msi.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";
import { signRelease } from "./sign_release.ts";
import { writeChecksums } from "./write_checksums.ts";

const TARGETS: readonly PackageTarget[] = [
  { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
  { name: "linux-arm64", debian: "arm64", rpm: "aarch64" },
  { name: "linux-x64-musl", debian: undefined, rpm: undefined },
  { name: "linux-arm64-musl", debian: undefined, rpm: undefined },
  { name: "windows-x64", debian: undefined, rpm: undefined },
];
const WINDOWS = "windows-x64";

const HELP = `Usage: scripts/package [TARGET…] [OPTION…]

Makes a .deb, an .rpm and a .tar.xz for each TARGET of Linux, an .msi for the
one of Windows, SHA256SUMS over all of them, and with a key its signature and
the install.sh that believes it. The same tree, the same SOURCE_DATE_EPOCH
(else the time of the last commit) and the same tools give the same bytes.

Targets: ${TARGETS.map(({ name }) => name).join(", ")}, or all; default: all

  --key FILE     Ed25519 private key, PEM; default: MIGASFREE_SIGNING_KEY
  --out DIR      where to; emptied first; default: dist/release
  --binary FILE  pack this program instead of building one (for one TARGET)
  --level N      0 (fast) to 9 (small); default 6
  --only KINDS   of deb, rpm, tar and msi, with commas; default: what is installed
  --help         say this
`;

const OPTIONS = {
  key: { type: "string" },
  out: { type: "string", default: "dist/release" },
  binary: { type: "string" },
  level: { type: "string", default: "6" },
  only: { type: "string" },
  help: { type: "boolean" },
} as const;

/** One kind of package. */
interface Kind {
  readonly name: string;
  readonly isFor: (target: PackageTarget) => boolean;
  /** Why none can be made here; undefined: one can. */
  readonly missing: () => string | undefined;
  readonly make: (order: PackageOrder) => Promise<string>;
}

const KINDS: readonly Kind[] = [
  {
    name: "deb",
    isFor: ({ debian }) => debian !== undefined,
    missing: () => toolMissing("dpkg-deb"),
    make: makeDeb,
  },
  {
    name: "rpm",
    isFor: ({ rpm }) => rpm !== undefined,
    missing: () => toolMissing("rpmbuild"),
    make: makeRpm,
  },
  {
    name: "tar",
    isFor: ({ name }) => name !== WINDOWS,
    missing: () => toolMissing("xz"),
    make: makeArchive,
  },
  {
    name: "msi",
    isFor: ({ name }) => name === WINDOWS,
    missing: msiMissing,
    make: makeMsi,
  },
];

function toolMissing(tool: string): string | undefined {
  return Bun.which(tool) ? undefined : `${tool} is not installed`;
}

async function main(argv: string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { values, positionals } = flags;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const isAll = positionals.length === 0 || positionals.includes("all");
  const targets = TARGETS.filter(({ name }) =>
    isAll || positionals.includes(name)
  );
  const only = values.only?.split(",");
  const isWrong = !isAll && targets.length !== new Set(positionals).size ||
    !/^[0-9]$/.test(values.level) ||
    only?.some((name) => !KINDS.some((kind) => kind.name === name)) ||
    values.binary !== undefined && targets.length !== 1;
  if (isWrong) {
    process.stderr.write(HELP);
    return EXIT_USAGE;
  }
  const outDir = resolve(values.out);
  const binary = values.binary === undefined
    ? undefined
    : resolve(values.binary);
  const keyFile = values.key ?? process.env["MIGASFREE_SIGNING_KEY"];
  const key = keyFile ? await Bun.file(keyFile).text() : undefined;
  process.chdir(join(import.meta.dir, ".."));
  const { version } = await Bun.file("package.json").json();
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  for (const target of targets) {
    const kinds = kindsFor(target, only);
    if (kinds.length === 0) continue;
    const order = {
      target,
      binary: binary ?? await build(target),
      version,
      epochSeconds: epochSeconds(),
      outDir,
      level: Number(values.level),
    };
    await pack(order, kinds);
  }
  await writeChecksums(outDir);
  if (key) await signRelease(outDir, key, version);
  else say("not signed, and no install.sh: give a key with --key");
  return 0;
}

/** Those that can be made here; of the others it is said why not. */
function kindsFor(
  target: PackageTarget,
  only: readonly string[] | undefined,
): Kind[] {
  return KINDS.filter(({ isFor, missing, name }) => {
    if (!isFor(target) || only && !only.includes(name)) return false;
    const reason = missing();
    if (reason !== undefined) say(`no ${name} for ${target.name}: ${reason}`);
    return reason === undefined;
  });
}

async function pack(
  order: PackageOrder,
  kinds: readonly Kind[],
): Promise<void> {
  for (const { make, name } of kinds) {
    const startMs = performance.now();
    const file = await make(order);
    if (name === "deb") checkDeb(file);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    const megabytes = (Bun.file(file).size / 1e6).toFixed(1);
    say(`${file}: ${megabytes} MB in ${seconds} s`);
  }
}

/** What is no mistake is in packaging/deb/lintian-overrides, with the reason. */
function checkDeb(file: string): void {
  if (!Bun.which("lintian")) {
    return say("not checked: lintian is not installed");
  }
  runTool(["lintian", "--allow-root", "--fail-on=error,warning", file]);
}

async function build({ name }: PackageTarget): Promise<string> {
  const child = Bun.spawn(["bun", "scripts/build.ts", name], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (await child.exited !== 0) throw new Error(`Cannot build for ${name}`);
  const suffix = BUILD_TARGETS.get(name)?.suffix ?? "";
  return resolve(`dist/migasfree-agent-${name}${suffix}`);
}

/** When the last commit was made, unless SOURCE_DATE_EPOCH says otherwise. */
function epochSeconds(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  if (given && /^[0-9]{1,12}$/.test(given)) return Number(given);
  return Number(runTool(["git", "log", "-1", "--format=%ct"]).trim());
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
