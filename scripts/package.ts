import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runTool } from "./package_commands.ts";
import {
  makeArchive,
  makeDeb,
  makeRpm,
  type PackageTarget,
} from "./package_formats.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";
import { signRelease } from "./sign_release.ts";
import { writeChecksums } from "./write_checksums.ts";

const TARGETS: readonly PackageTarget[] = [
  { name: "linux-x64", debian: "amd64", rpm: "x86_64" },
  { name: "linux-arm64", debian: "arm64", rpm: "aarch64" },
  { name: "linux-x64-musl", debian: undefined, rpm: undefined },
  { name: "linux-arm64-musl", debian: undefined, rpm: undefined },
];

const HELP = `Usage: scripts/package [TARGET…] [OPTION…]

Makes a .deb, an .rpm and a .tar.xz for each TARGET, SHA256SUMS over all of
them, and with a key its signature and the install.sh that believes it. The
same tree, the same SOURCE_DATE_EPOCH (else the time of the last commit) and
the same tools give the same bytes.

Targets: ${TARGETS.map(({ name }) => name).join(", ")}, or all; default: all

  --key FILE     Ed25519 private key, PEM; default: MIGASFREE_SIGNING_KEY
  --out DIR      where to; emptied first; default: dist/release
  --binary FILE  pack this program instead of building one (for one TARGET)
  --level N      0 (fast) to 9 (small); default 6
  --only KINDS   of deb, rpm and tar, with commas; default: what is installed
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

const KINDS = {
  deb: { make: makeDeb, tool: "dpkg-deb" },
  rpm: { make: makeRpm, tool: "rpmbuild" },
  tar: { make: makeArchive, tool: "xz" },
};

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
  const isWrong = !isAll && targets.length !== new Set(positionals).size ||
    !/^[0-9]$/.test(values.level) ||
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
    const order = {
      target,
      binary: binary ?? await build(target),
      version,
      epochSeconds: epochSeconds(),
      outDir,
      level: Number(values.level),
    };
    await pack(order, values.only?.split(","));
  }
  await writeChecksums(outDir);
  if (key) await signRelease(outDir, key, version);
  else say("not signed, and no install.sh: give a key with --key");
  return 0;
}

async function pack(
  order: Parameters<typeof makeDeb>[0],
  only: readonly string[] | undefined,
): Promise<void> {
  const { target } = order;
  for (const [kind, { make, tool }] of Object.entries(KINDS)) {
    const isPacked = kind === "tar" || target.debian !== undefined;
    if (!isPacked || only && !only.includes(kind)) continue;
    if (!Bun.which(tool)) {
      say(`no ${kind} for ${target.name}: ${tool} is not installed`);
      continue;
    }
    const startMs = performance.now();
    const file = await make(order);
    if (kind === "deb") checkDeb(file);
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
  runTool(["lintian", "--allow-root", "--fail-on=error", file]);
}

async function build({ name }: PackageTarget): Promise<string> {
  const child = Bun.spawn(["bun", "scripts/build.ts", name], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (await child.exited !== 0) throw new Error(`Cannot build for ${name}`);
  return resolve(`dist/migasfree-agent-${name}`);
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
