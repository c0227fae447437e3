import { closeSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute } from "node:path";
import type { ExecOutput } from "../protocol/exec_frame.ts";
import type { ExecExit } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";
import { openPipes } from "./open_pipes.ts";
import { findProgram, PROGRAM_GRACE_MS } from "./programs.ts";

/** How often we look whether a group that was asked to end has gone. */
const LOOK_EVERY_MS = 50;

/**
 * How long the pipes of a program that has ended may be silent before nobody
 * waits for their end: what it left running may hold them open for ever.
 */
const LINGER_MS = 1_000;

const IS_WINDOWS = process.platform === "win32";

/** Where commands are found first, whatever PATH the agent was started with. */
const UNIX_PATH = [
  ...["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"],
  ...["/sbin", "/bin"],
].join(delimiter);

/** Variables without which programs on Windows do not even start. */
const WINDOWS_VARIABLES = [
  ...["PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC"],
  ...["TEMP", "TMP", "USERPROFILE", "PROGRAMDATA", "PROGRAMFILES"],
];

/** Words that cmd.exe, which runs batch files, takes as they are. */
const BATCH_WORD_REGEXP = /^[\w@+=:,./\\-]+$/;

/** Who hears of a program that runs. */
export interface ExecProcessSink {
  /** The hearer may keep `chunk`. Not called while paused. */
  output(output: ExecOutput, chunk: Uint8Array): void;
  /** The last call, once: all of its output has been told. */
  ended(exit: ExecExit): void;
}

type Child = Bun.Subprocess;
type Output = ReadableStream<Uint8Array<ArrayBuffer>>;
type OutputReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** A program that was started, and what comes out of it. */
interface Spawned {
  readonly child: Child;
  readonly stdout: Output;
  readonly stderr: Output;
  /** To be called once, when nobody reads any more. */
  readonly release: () => void;
}

/**
 * Starts a program for somebody who is far away: without a shell, a terminal
 * or input, in a small environment of our own and a process group of its own.
 *
 * @param argv A name to be found in the system's directories or, behind them,
 * in our own PATH; or an absolute path; and its arguments.
 * @throws {Fault} `programMissing` if it cannot be started, `execRefused` for
 * words that Windows would not hand on as they are.
 */
export function startExecProcess(
  argv: readonly string[],
  sink: ExecProcessSink,
): ExecProcess {
  const env = environment();
  const [name = "", ...args] = argv;
  const endings = IS_WINDOWS ? (env["PATHEXT"] ?? "").split(";") : [];
  const program = findProgram(name, { path: env["PATH"] ?? "", endings });
  if (program === undefined) {
    throw new Fault("programMissing", `Cannot start ${name}: not found there`, {
      hint: "Install it, or give its whole path in [exec] allow",
    });
  }
  checkBatchWords(program, args);
  try {
    return new ExecProcess(spawn([program, ...args], env), sink);
  } catch (error) {
    const code = errorCode(error) ?? "no code";
    throw new Fault(
      "programMissing",
      `Cannot start ${name}: the system says ${code}`,
      { hint: "Check that it runs on its own", cause: error },
    );
  }
}

function spawn(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Spawned {
  const options = {
    cwd: IS_WINDOWS ? homedir() : "/",
    env,
    // A session of its own, whose processes can be ended as a whole.
    detached: !IS_WINDOWS,
    windowsHide: true,
  };
  const pipes = openPipes(2, UNIX_PATH);
  const [stdout, stderr] = pipes ?? [];
  if (!pipes || !stdout || !stderr) {
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const child = Bun.spawn([...argv], { ...options, stdio: [...stdio] });
    const { stdout, stderr } = child;
    return { child, stdout, stderr, release: () => undefined };
  }
  const release = () => {
    for (const { readFd } of pipes) closeSync(readFd);
  };
  try {
    const child = Bun.spawn([...argv], {
      ...options,
      stdio: ["ignore", stdout.writeFd, stderr.writeFd],
    });
    return {
      child,
      stdout: Bun.file(stdout.readFd).stream(),
      stderr: Bun.file(stderr.readFd).stream(),
      release,
    };
  } catch (error) {
    release();
    throw error;
  } finally {
    // Only the program's own are left, so that its end is seen.
    for (const { writeFd } of pipes) closeSync(writeFd);
  }
}

/** cmd.exe would read other words in its own way, as a shell does. */
function checkBatchWords(program: string, args: readonly string[]): void {
  if (!/\.(?:bat|cmd)$/i.test(program)) return;
  if (args.every((word) => BATCH_WORD_REGEXP.test(word))) return;
  throw new Fault(
    "execRefused",
    "Cannot run a batch file with words that its interpreter would expand",
  );
}

/** The system's directories, then the agent's own: migasfree may be there. */
function unixPath(own = ""): string {
  const dirs = own.split(delimiter).filter((dir) => isAbsolute(dir));
  return [...new Set([...UNIX_PATH.split(delimiter), ...dirs])].join(delimiter);
}

function environment(): Record<string, string> {
  const own = IS_WINDOWS
    ? Object.fromEntries(
      WINDOWS_VARIABLES.map((name) => [name, process.env[name] ?? ""]),
    )
    : { PATH: unixPath(process.env["PATH"]), HOME: homedir() };
  // migasfree is written in Python, which else keeps 8 KiB back from a pipe.
  return { ...own, LANG: "C.UTF-8", PYTHONUNBUFFERED: "1" };
}

/** A program that runs, and all that is in its process group. */
export class ExecProcess {
  /** Resolves when it has gone and, if it was to end, its group as well. */
  readonly gone: Promise<void>;
  readonly #child: Child;
  readonly #sink: ExecProcessSink;
  readonly #readers: readonly OutputReader[];
  /** Set while nothing may be told. */
  #resumed: PromiseWithResolvers<void> | undefined;
  #chunkCount = 0;
  #isAbandoned = false;
  #ending: Promise<void> | undefined;

  constructor(spawned: Spawned, sink: ExecProcessSink) {
    this.#child = spawned.child;
    this.#sink = sink;
    const stdout = spawned.stdout.getReader();
    const stderr = spawned.stderr.getReader();
    this.#readers = [stdout, stderr];
    const read = Promise.all([
      this.#read("stdout", stdout),
      this.#read("stderr", stderr),
    ]);
    this.gone = this.#run(read.finally(spawned.release));
  }

  /** Reads no more: once its pipes are full, the program waits. */
  pause(): void {
    if (!this.#isAbandoned) this.#resumed ??= Promise.withResolvers();
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  /** Asks its group to end, and kills it 5 s later; may be called again. */
  stop(): void {
    this.#ending ??= endGroup(this.#child);
  }

  /** Ends it, and forgets what it has still to say. */
  abandon(): void {
    this.#isAbandoned = true;
    this.resume();
    this.#stopReading();
    this.stop();
  }

  async #run(read: Promise<unknown>): Promise<void> {
    const child = this.#child;
    const exitCode = await child.exited;
    let heardCount = -1;
    const timer = setInterval(() => {
      if (this.#resumed) return;
      if (heardCount === this.#chunkCount) this.#stopReading();
      heardCount = this.#chunkCount;
    }, LINGER_MS);
    await read;
    clearInterval(timer);
    this.#sink.ended(exitOf(child, exitCode));
    await this.#ending;
  }

  /** Reads one chunk at a time: what is not asked for stays in the pipe. */
  async #read(output: ExecOutput, reader: OutputReader): Promise<void> {
    for (;;) {
      await this.#whenResumed();
      const { done, value } = await reader.read();
      if (done) return;
      await this.#whenResumed();
      this.#chunkCount++;
      if (!this.#isAbandoned) this.#sink.output(output, value);
    }
  }

  async #whenResumed(): Promise<void> {
    // Loops: the owner may have resumed and paused again meanwhile.
    while (this.#resumed) await this.#resumed.promise;
  }

  #stopReading(): void {
    for (const reader of this.#readers) void reader.cancel();
  }
}

function exitOf({ signalCode }: Child, exitCode: number): ExecExit {
  if (signalCode === null) return { code: exitCode >>> 0 };
  // A real-time signal has a number and no name.
  const isNamed = typeof signalCode === "string";
  return { signal: isNamed ? signalCode : `SIG${signalCode}` };
}

/** Resolves when nobody is left in the program's group. */
async function endGroup(child: Child): Promise<void> {
  signalGroup(child, "SIGTERM");
  const endMs = performance.now() + PROGRAM_GRACE_MS;
  while (signalGroup(child, 0)) {
    if (performance.now() > endMs) {
      signalGroup(child, "SIGKILL");
      break;
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

/** Returns whether anybody is there to hear it. */
function signalGroup(
  child: Child,
  signal: "SIGTERM" | "SIGKILL" | 0,
): boolean {
  if (IS_WINDOWS) return endTree(child);
  try {
    return process.kill(-child.pid, signal);
  } catch (error) {
    // Somebody whom we may not end, such as sudo's child, is there as well.
    return errorCode(error) !== "ESRCH";
  }
}

/** Windows knows no group: its own tool goes from parent to child. */
function endTree(child: Child): boolean {
  if (child.exitCode !== null) return false;
  const { SYSTEMROOT = "C:\\Windows" } = process.env;
  const taskkill = `${SYSTEMROOT}\\System32\\taskkill.exe`;
  Bun.spawnSync([taskkill, "/T", "/F", "/PID", String(child.pid)]);
  return child.exitCode === null;
}
