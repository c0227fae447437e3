import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";
import { requireProgram } from "./programs.ts";

/** Largest answer that is heard; of what goes to stderr only the end is kept. */
export const COMMAND_OUTPUT_MAX_BYTES = 64 * 1024;
const STDERR_KEPT_BYTES = 4 * 1024;

export interface CommandResult {
  /** 128 + n if signal n ended it (POSIX XCU §2.8.2). */
  readonly exitCode: number;
  /** At most {@linkcode COMMAND_OUTPUT_MAX_BYTES} of UTF-8. */
  readonly stdout: string;
  /** Its last 4 KiB. */
  readonly stderr: string;
}

type PipedProcess = Bun.Subprocess<"ignore", "pipe", "pipe">;

/**
 * Runs a program to its end, without a shell and without input, and returns
 * what it said. If that cannot be waited for, it is killed, with all that it
 * has started and that is still in its process group; on Windows it alone.
 *
 * On Windows a batch file is run by the system's own interpreter, which reads
 * arguments in its own way: hand it none that somebody else has chosen.
 *
 * @param argv The program, as for `findProgram`, and its arguments.
 * @throws {Fault} `programMissing` if it cannot be started, `linkSilent` if it
 * has not ended after `timeoutMs`, `messageTooLarge` if it says too much.
 * @throws `signal.reason` once aborted.
 */
export async function runCommand(
  argv: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const child = spawnPiped(argv);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooLate(argv, timeoutMs)), timeoutMs);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const stdout = new Hearing(child.stdout);
  const stderr = new Hearing(child.stderr);
  try {
    const ended = Promise.all([
      child.exited,
      stdout.all(COMMAND_OUTPUT_MAX_BYTES, () => tooMuch(argv)),
      stderr.end(STDERR_KEPT_BYTES),
    ]);
    const [exitCode, answer, said] = await Promise.race([ended, stopped]);
    return { exitCode, stdout: answer, stderr: said };
  } catch (error) {
    killGroup(child);
    // Whoever left the group may hold a pipe open for ever.
    await Promise.all([stdout.stop(), stderr.stop()]);
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** What comes out of one pipe. */
class Hearing {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

  constructor(pipe: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = pipe.getReader();
  }

  /** Returns all of it. @throws What `tooMuch` makes, beyond `maxBytes`. */
  async all(maxBytes: number, tooMuch: () => Error): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return textOf(chunks);
      bytes += value.length;
      if (bytes > maxBytes) throw tooMuch();
      chunks.push(value);
    }
  }

  /** Returns the last `keptBytes` of it, however much comes. */
  async end(keptBytes: number): Promise<string> {
    let kept = new Uint8Array();
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return textOf([kept]);
      kept = Buffer.concat([kept, value]).subarray(-keptBytes);
    }
  }

  async stop(): Promise<void> {
    await this.#reader.cancel();
  }
}

function textOf(chunks: readonly Uint8Array[]): string {
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function spawnPiped(argv: readonly string[]): PipedProcess {
  const [name = "", ...args] = argv;
  const path = requireProgram(name);
  try {
    return Bun.spawn([path, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, which can be killed as a whole.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
  } catch (error) {
    const code = errorCode(error) ?? "no code";
    throw new Fault(
      "programMissing",
      `Cannot start ${path}: the system says ${code}`,
      { hint: "Check that it runs on its own", cause: error },
    );
  }
}

function killGroup(child: PipedProcess): void {
  if (process.platform === "win32") return child.kill("SIGKILL");
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // Nobody is left in the group: that is what we want.
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

function tooLate(argv: readonly string[], timeoutMs: number): Fault {
  return new Fault(
    "linkSilent",
    `Cannot wait for \`${argv.join(" ")}\`: it runs for more than ${
      timeoutMs / 1_000
    } s`,
    { hint: "Run it yourself, and look at what it waits for" },
  );
}

function tooMuch(argv: readonly string[]): Fault {
  return new Fault(
    "messageTooLarge",
    `Cannot read what \`${argv.join(" ")}\` prints: ` +
      `over ${COMMAND_OUTPUT_MAX_BYTES} bytes`,
    { hint: "Run it yourself, and look at what it prints" },
  );
}
