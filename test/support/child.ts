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
}

const LINE_TIMEOUT_MS = 15_000;
const KEPT_MAX_CHARS = 4_000_000;

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (line: string) => void;
}

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
  const lines: string[] = [];
  const waiters = new Set<Waiter>();
  const hear = (line: string) => {
    lines.push(line);
    for (const waiter of [...waiters]) {
      if (!waiter.pattern.test(line)) continue;
      waiters.delete(waiter);
      waiter.resolve(line);
    }
  };
  const read = async (name: "stdout" | "stderr") => {
    let rest = "";
    for await (
      const chunk of child[name].pipeThrough(new TextDecoderStream())
    ) {
      text[name] = (text[name] + chunk).slice(-KEPT_MAX_CHARS);
      const found = (rest + chunk).split("\n");
      rest = found.pop() ?? "";
      found.forEach(hear);
    }
    if (rest !== "") hear(rest);
  };
  const reading = Promise.all([read("stdout"), read("stderr")]);
  return {
    pid: child.pid,
    exited: Promise.all([child.exited, reading]).then(([status]) => status),
    output: () => text,
    line: (pattern, timeoutMs = LINE_TIMEOUT_MS) =>
      new Promise((resolve, reject) => {
        const early = lines.find((line) => pattern.test(line));
        if (early !== undefined) return resolve(early);
        const failed = (why: string) =>
          reject(
            new Error(
              `${
                argv.slice(0, 3).join(" ")
              }: no line like ${pattern} (${why})\n` +
                text.stdout.slice(-2_000) + text.stderr.slice(-4_000),
            ),
          );
        const timer = setTimeout(() => {
          waiters.delete(waiter);
          failed(`waited ${timeoutMs} ms`);
        }, timeoutMs);
        const waiter = {
          pattern,
          resolve: (line: string) => {
            clearTimeout(timer);
            resolve(line);
          },
        };
        waiters.add(waiter);
        void reading.then(() => {
          if (!waiters.delete(waiter)) return;
          clearTimeout(timer);
          failed("it ended");
        });
      }),
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 12_000);
      await child.exited;
      clearTimeout(timer);
      await reading;
    },
  };
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
