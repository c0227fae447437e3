import { appendFileSync } from "node:fs";
import { LineFeed } from "./line_feed.ts";

/** A program that a test started, with what it has said so far. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** All of stdout and stderr so far. */
  readonly output: () => { stdout: string; stderr: string };
  /** Resolves with the first line, of either stream, that `pattern` matches. */
  readonly line: (pattern: RegExp, timeoutMs?: number) => Promise<string>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdin?: "ignore" | "pipe";
  /** Gets all that the program says, for people; its folder must exist. */
  readonly logFile?: string;
}

const LINE_TIMEOUT_MS = 15_000;
const KEPT_MAX_CHARS = 4_000_000;
const KILL_AFTER_MS = 12_000;

/** Starts `argv`; disposing ends it, first kindly. */
export function startChild(
  argv: readonly string[],
  options: ChildOptions = {},
): Child {
  const child = Bun.spawn([...argv], {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = { stdout: "", stderr: "" };
  const feed = new LineFeed();
  const keep = (name: "stdout" | "stderr", chunk: string) => {
    text[name] = (text[name] + chunk).slice(-KEPT_MAX_CHARS);
    if (options.logFile !== undefined) appendFileSync(options.logFile, chunk);
  };
  const reading = Promise.all([
    readLines(child.stdout, (chunk) => keep("stdout", chunk), feed),
    readLines(child.stderr, (chunk) => keep("stderr", chunk), feed),
  ]).finally(() => feed.end());
  return {
    pid: child.pid,
    exited: Promise.all([child.exited, reading]).then(([status]) => status),
    output: () => text,
    line: async (pattern, timeoutMs = LINE_TIMEOUT_MS) => {
      const line = await feed.first(pattern, timeoutMs);
      if (line !== undefined) return line;
      throw new Error(
        `${argv.slice(0, 3).join(" ")}: no line like ${pattern}\n` +
          text.stdout.slice(-2_000) + text.stderr.slice(-4_000),
      );
    },
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
      await child.exited;
      clearTimeout(timer);
      await reading;
    },
  };
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  keep: (chunk: string) => void,
  feed: LineFeed,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    keep(chunk);
    const found = (rest + chunk).split("\n");
    rest = found.pop() ?? "";
    for (const line of found) feed.push(line);
  }
  if (rest !== "") feed.push(rest);
}

/** Runs `argv` to its end. */
export async function runChild(
  argv: readonly string[],
  options: ChildOptions = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  await using child = startChild(argv, options);
  const status = await child.exited;
  return { status, ...child.output() };
}
