import type { CommandResult } from "../../src/runtime/run_command.ts";
import type {
  ServiceFiles,
  ServiceMachine,
} from "../../src/runtime/service_control.ts";

/** What a program of the fake answers; a number is its exit status. */
export type FakeAnswer = string | number | Partial<CommandResult>;

/**
 * A computer without a service manager: it keeps files in memory, says what
 * was run, and answers as `answer` does; by default nothing, and 0.
 */
export class FakeServiceMachine implements ServiceMachine {
  readonly programPath: string;
  isPrivileged: boolean | undefined = true;
  /** Path => text; a directory ends with a slash, and is its mode. */
  readonly tree = new Map<string, string>();
  /** Each program that was run, as one line. */
  readonly ran: string[] = [];
  /** Paths that others than root may change. */
  readonly foreign = new Set<string>();
  sleptMs = 0;
  readonly #answer: (line: string) => FakeAnswer | undefined;

  constructor(
    programPath: string,
    answer: (line: string) => FakeAnswer | undefined = () => undefined,
  ) {
    this.programPath = programPath;
    this.#answer = answer;
  }

  run(argv: readonly string[]): Promise<CommandResult> {
    const line = argv.join(" ");
    this.ran.push(line);
    const answer = this.#answer(line) ?? 0;
    const result = { exitCode: 0, stdout: "", stderr: "" };
    if (typeof answer === "number") {
      return Promise.resolve({ ...result, exitCode: answer });
    }
    if (typeof answer === "string") {
      return Promise.resolve({ ...result, stdout: answer });
    }
    return Promise.resolve({ ...result, ...answer });
  }

  sleep(ms: number): Promise<void> {
    this.sleptMs += ms;
    return Promise.resolve();
  }

  readonly files: ServiceFiles = {
    exists: (path) =>
      Promise.resolve(this.tree.has(path) || this.tree.has(`${path}/`)),
    write: (path, text) => {
      const isNew = this.tree.get(path) !== text;
      this.tree.set(path, text);
      return Promise.resolve(isNew);
    },
    makeDirectory: (path, mode) => {
      const isThere = this.tree.has(`${path}/`);
      if (!isThere) this.tree.set(`${path}/`, mode.toString(8));
      return Promise.resolve();
    },
    remove: (path) => {
      const below = [...this.tree.keys()].filter((it) =>
        it === path || it.startsWith(`${path}/`) || it.startsWith(`${path}\\`)
      );
      for (const it of below) this.tree.delete(it);
      return Promise.resolve(below.length > 0);
    },
    requireOwn: (path) => {
      if (this.foreign.has(path)) throw new Error(`foreign: ${path}`);
    },
  };

  /** What was run since the last call. */
  takeRan(): string[] {
    return this.ran.splice(0);
  }
}
