import { type Child, startChild } from "./child.ts";
import { freePort } from "./free_port.ts";
import { missingProgram } from "./test_unless.ts";

const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** A real Redis of a test's own, that keeps nothing on disk. */
export class Redis implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  #child: Child;
  readonly #argv: readonly string[];

  private constructor(port: number, argv: readonly string[], password: string) {
    this.port = port;
    const user = password === "" ? "" : `:${password}@`;
    this.url = `redis://${user}127.0.0.1:${port}`;
    this.#argv = argv;
    this.#child = startChild(argv);
  }

  /** Starts a server on a free port. */
  static async start(password = ""): Promise<Redis> {
    const port = await freePort();
    const secret = password === "" ? [] : ["--requirepass", password];
    const redis = new Redis(port, [
      ...["redis-server", "--port", String(port), "--bind", "127.0.0.1"],
      ...["--save", "", "--appendonly", "no"],
      ...secret,
    ], password);
    await redis.#ready();
    return redis;
  }

  /** Ends it as a power cut would: all that it knew is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** Starts it again on its port, empty. */
  async restart(): Promise<void> {
    this.#child = startChild(this.#argv);
    await this.#ready();
  }

  /** It keeps its connections, and answers nothing until `SIGCONT`. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Runs a command, as a person would. */
  async ask(...args: readonly string[]): Promise<unknown> {
    const client = new Bun.RedisClient(this.url, { autoReconnect: false });
    try {
      const [name = "", ...rest] = args;
      return await client.send(name, rest);
    } finally {
      client.close();
    }
  }

  /** Resolves with the texts of all keys that match, once they are so. */
  async textsWhen<T>(
    pattern: string,
    isSo: (texts: readonly T[]) => boolean,
  ): Promise<T[]> {
    for (let left = PATIENCE_MS / LOOK_EVERY_MS; left > 0; left--) {
      const keys = await this.ask("KEYS", pattern) as string[];
      const texts = await Promise.all(keys.map((key) => this.ask("GET", key)));
      const parsed = texts.filter((text) => text !== null)
        .map((text): T => JSON.parse(String(text)));
      if (isSo(parsed)) return parsed;
      await Bun.sleep(LOOK_EVERY_MS);
    }
    throw new Error(`Waited in vain for ${pattern}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGCONT");
    await this.#child[Symbol.asyncDispose]();
  }

  async #ready(): Promise<void> {
    await this.#child.line(/Ready to accept connections/);
  }
}

/** Why tests with a real Redis cannot run here, if they cannot. */
export function redisMissing(): string | undefined {
  return missingProgram("redis-server");
}
