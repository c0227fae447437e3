/** A program in a pseudo-terminal of its own, and what it has said so far. */
export interface Terminal extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** All that came so far, or since the last {@linkcode Terminal.find}. */
  readonly text: () => string;
  /** Resolves with the match once `pattern` is in what has come since. */
  readonly find: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Types. `\x03` is Ctrl-C. */
  readonly type: (keys: string) => void;
  readonly resize: (columns: number, rows: number) => void;
  readonly kill: (signal: NodeJS.Signals) => void;
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

const FIND_TIMEOUT_MS = 15_000;

/** Starts `argv` in a terminal of 80 columns and 24 rows. */
export function startInTerminal(
  argv: readonly string[],
  options: TerminalOptions = {},
): Terminal {
  const decoder = new TextDecoder();
  let text = "";
  let look = (): void => undefined;
  const child = Bun.spawn([...argv], {
    env: { ...process.env, TERM: "dumb", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    terminal: {
      cols: 80,
      rows: 24,
      data: (_terminal, data) => {
        text += decoder.decode(data, { stream: true });
        look();
      },
    },
  });
  const { terminal } = child;
  if (!terminal) throw new Error("Cannot open a pseudo-terminal");
  const find = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const timer = setTimeout(() => {
        look = () => undefined;
        reject(new Error(`No ${pattern} in ${JSON.stringify(text)}`));
      }, FIND_TIMEOUT_MS);
      look = () => {
        const found = pattern.exec(text);
        if (!found) return;
        text = text.slice(found.index + found[0].length);
        look = () => undefined;
        clearTimeout(timer);
        resolve(found);
      };
      look();
    });
  return {
    pid: child.pid,
    exited: child.exited,
    text: () => text,
    find,
    type: (keys) => void terminal.write(keys),
    resize: (columns, rows) => terminal.resize(columns, rows),
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  };
}
