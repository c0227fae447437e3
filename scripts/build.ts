import { chmod, mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { IDLE_JIT_SCALE } from "../src/runtime/jit_policy.ts";
import { BUILD_TARGETS, type BuildTarget } from "./build_targets.ts";
import { buildServiceHost } from "./build_service_host.ts";
import { checkMachO } from "./check_mach_o.ts";
import { fetchRuntime } from "./fetch_runtime.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";
import { signMachO } from "./sign_mach_o.ts";
import { unitTexts } from "./unit_texts.ts";
import { writeChecksums } from "./write_checksums.ts";

const NAME = "migasfree-agent";

/** Runs on a thread of its own, and is loaded when that begins. */
const HANG_WORKER = "src/runtime/hang_worker.ts";
/** Where the program finds it in itself: below what all entries share. */
const HANG_WORKER_INSIDE = HANG_WORKER.replace("src/", "./");

/** Called by this name, the binary is migasfree's own operator client. */
const LINK_NAME = "migasfree-connect";
const HELP = `Usage: scripts/build [TARGET…] [--maps] [--help]

Builds dist/${NAME} for this machine or, for each TARGET, dist/${NAME}-TARGET,
and dist/SHA256SUMS over all that is in dist. The same tree gives the same bytes.
Beside the one for this machine stands dist/${LINK_NAME}, a symbolic link to it.
With --maps, dist/maps has the source map of each of its parts, as stack traces
name them; the parts are the same for all targets.

Targets: ${[...BUILD_TARGETS.keys()].join(", ")},
or all of them: all
`;

/**
 * Nothing but what is in the file is ever run: no eval, no preload named by
 * BUN_OPTIONS or a bunfig.toml, no inspector named by BUN_INSPECT.
 */
const RUNTIME_FLAGS = ["--disallow-code-generation-from-strings=strict"];

async function main(argv: string[]): Promise<number> {
  const options = {
    help: { type: "boolean" },
    maps: { type: "boolean" },
  } as const;
  const flags = parseFlags(argv, options, HELP);
  if (!flags) return EXIT_USAGE;
  const { values, positionals } = flags;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const names = positionals.includes("all")
    ? [...BUILD_TARGETS.keys()]
    : positionals;
  const unknown = names.find((name) => !BUILD_TARGETS.has(name));
  if (unknown !== undefined) {
    const known = [...BUILD_TARGETS.keys(), "all"].join(", ");
    process.stderr.write(`Cannot build for ${unknown}: there are ${known}\n`);
    return EXIT_USAGE;
  }
  process.chdir(join(import.meta.dir, ".."));
  await mkdir("dist", { recursive: true });
  if (names.length === 0) {
    await build(undefined, hostName());
    await link();
  }
  if (values.maps) await writeMaps();
  for (const name of new Set(names)) {
    const target = BUILD_TARGETS.get(name);
    await build(target, `${NAME}-${name}${target?.suffix}`);
    if (target?.suffix === ".exe") await buildHost(name);
  }
  await writeChecksums("dist");
  return 0;
}

/** Builds `dist/<fileName>`; undefined: for this machine, with its own Bun. */
async function build(
  target: BuildTarget | undefined,
  fileName: string,
): Promise<void> {
  const startMs = performance.now();
  // Beside its place: a rename replaces a binary that is running, a copy cannot.
  const dir = await mkdtemp(join("dist", ".build-"));
  try {
    // The file's name is in its bytes: it must not depend on the target's.
    const outfile = join(dir, `${NAME}${target?.suffix ?? ""}`);
    await compile(outfile, target, dir);
    if (target?.bun === "bun-darwin-x64") {
      const file = await Bun.file(outfile).bytes();
      await Bun.write(outfile, signMachO(file, NAME));
    }
    if (target?.bun.startsWith("bun-darwin-")) await checkSignature(outfile);
    await chmod(outfile, 0o755);
    await rename(outfile, join("dist", fileName));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  const megabytes = Math.round(Bun.file(join("dist", fileName)).size / 1e6);
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  process.stdout.write(`dist/${fileName}: ${megabytes} MB in ${seconds} s\n`);
}

/** Builds once more, for the sake of the maps: the binary has none in it. */
async function writeMaps(): Promise<void> {
  const dir = await mkdtemp(join("dist", ".build-"));
  try {
    await compile(join(dir, NAME), undefined, dir, "external");
    await rm("dist/maps", { recursive: true, force: true });
    await mkdir("dist/maps");
    for await (const map of new Bun.Glob("*.map").scan(dir)) {
      await rename(join(dir, map), join("dist/maps", map));
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What runs the agent as a service there; without mingw-w64 there is none. */
async function buildHost(name: string): Promise<void> {
  const file = `dist/${NAME}-service-${name}.exe`;
  const said = await buildServiceHost(file)
    ? `${Math.round(Bun.file(file).size / 1e3)} kB`
    : "not built: there is no mingw-w64 (gcc-mingw-w64-x86-64)";
  process.stdout.write(`${file}: ${said}\n`);
}

/** What macOS would kill is not built. */
async function checkSignature(file: string): Promise<void> {
  const { count, wrong } = checkMachO(await Bun.file(file).bytes());
  if (wrong.length > 0) {
    throw new Error(`Wrong page hashes: ${wrong.length} of ${count}`);
  }
  process.stdout.write(`signature: all ${count} page hashes are right\n`);
}

/** On Windows a copy has to do, for who wants one: links need rights there. */
async function link(): Promise<void> {
  if (process.platform === "win32") return;
  const path = join("dist", LINK_NAME);
  await rm(path, { force: true });
  await symlink(NAME, path);
}

async function compile(
  outfile: string,
  target: BuildTarget | undefined,
  dir: string,
  sourcemap: "none" | "external" = "none",
): Promise<void> {
  const { version } = await Bun.file("package.json").json();
  await Bun.build({
    entrypoints: ["src/cli/main.ts", HANG_WORKER],
    define: {
      MIGASFREE_VERSION: JSON.stringify(version),
      MIGASFREE_COMMIT: JSON.stringify(commitOf(process.cwd())),
      MIGASFREE_HANG_WORKER: JSON.stringify(HANG_WORKER_INSIDE),
      MIGASFREE_UNITS: JSON.stringify(JSON.stringify(await unitTexts())),
      "process.env.NODE_ENV": '"production"',
    },
    // A role is a part of its own, which only who runs it loads: 4 MB less of
    // an agent's own memory.
    splitting: true,
    // Names stay, so that a stack trace can be read without a map, which would
    // be 2 MB; --maps writes it for the same commit.
    sourcemap,
    minify: { whitespace: true, syntax: true, keepNames: true },
    // Of what runs when a module is loaded, and not of each function: 5.6 MB
    // less, for 10 ms of CPU at the start. A module's needs its format said.
    bytecode: true,
    bytecodeDepth: 0,
    format: "esm",
    compile: {
      outfile,
      execArgv: RUNTIME_FLAGS,
      // Until there is something to do (src/runtime/jit_policy.ts): 1.4 MB.
      jitPolicy: IDLE_JIT_SCALE,
      // The working directory is anybody's: nothing in it is read unasked.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      ...target && {
        target: target.bun,
        executablePath: await fetchRuntime(target, dir),
      },
    },
  });
}

function hostName(): string {
  return process.platform === "win32" ? `${NAME}.exe` : NAME;
}

/** Commit of the tree, `-dirty` after it if it was changed; or `unknown`. */
function commitOf(root: string): string {
  const git = (...args: string[]) => {
    const { success, stdout } = Bun.spawnSync(["git", "-C", root, ...args], {
      stderr: "ignore",
    });
    return success ? stdout.toString().trim() : undefined;
  };
  // A prefix: the tree lies inside another repository, and is not its work.
  if (!Bun.which("git") || git("rev-parse", "--show-prefix") !== "") {
    return "unknown";
  }
  const commit = git("rev-parse", "--short=12", "HEAD");
  if (!commit) return "unknown";
  return git("status", "--porcelain") === "" ? commit : `${commit}-dirty`;
}

process.exitCode = await main(process.argv.slice(2));
