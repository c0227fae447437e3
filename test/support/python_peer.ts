import { resolve } from "node:path";
import { LineFeed } from "./line_feed.ts";

/** Protocol 1 peers of our own on a library that we do not use ourselves. */
export type PeerName =
  | "agent"
  | "connect"
  | "manager"
  | "relay"
  | "web_console";

/** One line of a peer: what happened, when, and what belongs to it. */
export interface PeerEvent {
  readonly event: string;
  /** Of the machine's monotonic clock: compare two of them. */
  readonly "at_ms": number;
  readonly [field: string]: unknown;
}

/** Which event is meant: all of these fields have these values. */
export type EventFields = Readonly<Record<string, unknown>>;

const PEERS_DIR = resolve(import.meta.dir, "../peers");
const EVENT_TIMEOUT_MS = 20_000;
const KILL_AFTER_MS = 5_000;
const SAID_MAX_CHARS = 4_000;

const PYTHON = findPython();

/** Why no peer can be started here, or undefined. */
export const pythonPeersMissing: string | undefined = PYTHON === undefined
  ? "python3-websockets is not installed: see scripts/test_packages"
  : undefined;

/** The one of the distribution first: packages install for that one. */
function findPython(): string | undefined {
  for (const python of ["/usr/bin/python3", Bun.which("python3")]) {
    if (python === null || !Bun.file(python).size) continue;
    const { exitCode } = Bun.spawnSync([python, "-c", "import websockets"], {
      stdout: "ignore",
      stderr: "ignore",
    });
    if (exitCode === 0) return python;
  }
  return undefined;
}

/** A peer of `test/peers` that runs. Disposing ends it. */
export class PythonPeer implements AsyncDisposable {
  readonly name: PeerName;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #feed = new LineFeed();
  readonly #events: PeerEvent[] = [];
  readonly #reading: Promise<unknown>;
  readonly #waiters = new Set<() => void>();
  #stderr = "";
  #isOver = false;
  #port = 0;

  private constructor(
    name: PeerName,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    this.name = name;
    this.#child = Bun.spawn(
      [PYTHON ?? "python3", "-B", `${PEERS_DIR}/${name}.py`, ...args],
      {
        env: { ...process.env, ...env },
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    this.#reading = Promise.all([this.#readEvents(), this.#readErrors()])
      .finally(() => {
        this.#isOver = true;
        this.#feed.end();
        this.#wake();
      });
  }

  /**
   * Starts a peer and waits until it is ready.
   *
   * @throws {Error} If it says something else first, or nothing.
   */
  static async start(
    name: PeerName,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<PythonPeer> {
    if (pythonPeersMissing !== undefined) throw new Error(pythonPeersMissing);
    const peer = new PythonPeer(name, args, env);
    const line = await peer.#feed.first(/^/, EVENT_TIMEOUT_MS);
    const [, port] = /^listening \S*:(\d+)$/.exec(line ?? "") ?? [];
    if (port === undefined && line !== "ready") {
      await peer[Symbol.asyncDispose]();
      throw new Error(`${name}.py said ${line}\n${peer.#stderr}`);
    }
    peer.#port = Number(port ?? 0);
    return peer;
  }

  /** Of one that listens. */
  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<number> {
    return Promise.all([this.#child.exited, this.#reading])
      .then(([status]) => status);
  }

  /** All events of that name so far that have these fields. */
  events(name: string, fields: EventFields = {}): PeerEvent[] {
    return this.#events.filter((event) =>
      event.event === name &&
      Object.entries(fields).every(([key, value]) =>
        Bun.deepEquals(event[key], value)
      )
    );
  }

  /**
   * Resolves with the `nth` event, past or yet to come, of that name that has
   * these fields.
   *
   * @throws {Error} If it does not come in time, or the peer has ended.
   */
  async event(
    name: string,
    fields: EventFields = {},
    nth = 1,
    timeoutMs = EVENT_TIMEOUT_MS,
  ): Promise<PeerEvent> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const found = this.events(name, fields)[nth - 1];
      if (found !== undefined) return found;
      const leftMs = deadlineMs - performance.now();
      if (this.#isOver || leftMs <= 0) {
        throw new Error(
          `${this.name}.py: no ${nth}th ${name} ${JSON.stringify(fields)}\n` +
            `${this.said()}\n${this.#stderr.slice(-SAID_MAX_CHARS)}`,
        );
      }
      await this.#next(leftMs);
    }
  }

  /** The last of its events, for people. */
  said(): string {
    return this.#events.map((event) => JSON.stringify(event)).join("\n")
      .slice(-SAID_MAX_CHARS);
  }

  /** Gives it an order, such as `{ do: "close", id: 7, code: 1001 }`. */
  order(order: Readonly<Record<string, unknown>>): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    void this.#child.stdin.flush();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), KILL_AFTER_MS);
    await this.#child.exited;
    clearTimeout(timer);
    await this.#reading;
  }

  async #next(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#waiters.add(resolve);
    await promise;
    this.#waiters.delete(resolve);
    clearTimeout(timer);
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  async #readEvents(): Promise<void> {
    let rest = "";
    for await (
      const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("{")) this.#events.push(JSON.parse(line));
        else this.#feed.push(line);
      }
      this.#wake();
    }
  }

  async #readErrors(): Promise<void> {
    for await (
      const chunk of this.#child.stderr.pipeThrough(new TextDecoderStream())
    ) this.#stderr += chunk;
  }
}
