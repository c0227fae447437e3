import { chmod, lstat, rm } from "node:fs/promises";
import { Fault } from "../protocol/fault.ts";
import { errorCode, fileFault } from "./files.ts";

/** How many may ask at once: it is people and scripts, one by one. */
const CALLERS_MAX_COUNT = 16;

/** How long somebody who asked may take to hear. */
const HEAR_TIMEOUT_MS = 5_000;

/** How long whoever listens already may take to show it. */
const PROBE_TIMEOUT_MS = 1_000;

const TOO_MANY_TEXT = JSON.stringify({ bug: "too many ask at once" });

/**
 * Tells whoever connects to `path` the state, as one JSON text, and hangs up.
 *
 * A socket that a dead process left is replaced. The new one is for the
 * owner and the group, mode 0660. On Windows `path` is a named pipe.
 *
 * By Bun's own listener, on which its `node:net` stands: that module would be
 * 1.3 MB more of every idle agent.
 *
 * @param state Called for each caller; what it returns, or resolves with, is
 * printed as JSON.
 * @throws {Fault} `configInvalid` if a living process serves `path`, or it
 * cannot be made.
 */
export async function serveStatus(
  path: string,
  state: () => unknown,
): Promise<AsyncDisposable> {
  const isPipe = path.startsWith("\\\\.\\pipe\\");
  if (!isPipe) await removeStale(path);
  const callers = new Set<Caller>();
  const server = listen(path, (socket) => {
    const caller = new Caller(socket, () => callers.delete(caller));
    if (callers.size >= CALLERS_MAX_COUNT) return caller.turnAway();
    callers.add(caller);
    // It never rejects.
    void stateText(state).then((text) => caller.tell(text));
  });
  if (!isPipe) await chmod(path, 0o660);
  return {
    [Symbol.asyncDispose]: async () => {
      server.stop(true);
      if (!isPipe) await rm(path, { force: true });
    },
  };
}

type CallerSocket = Bun.Socket<{ caller?: Caller }>;

/** Somebody who has connected, and hears one text. */
class Caller {
  readonly #socket: CallerSocket;
  readonly #onGone: () => void;
  #rest = new Uint8Array();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isTold = false;
  /** It has said all it has to say. */
  #hasEnded = false;
  #isGone = false;

  constructor(socket: CallerSocket, onGone: () => void) {
    this.#socket = socket;
    this.#onGone = onGone;
    socket.data = { caller: this };
  }

  tell(text: string): void {
    if (this.#isGone) return;
    this.#isTold = true;
    const cut = () => this.#socket.terminate();
    this.#timer = setTimeout(cut, HEAR_TIMEOUT_MS);
    this.#rest = new TextEncoder().encode(text);
    this.drain();
  }

  turnAway(): void {
    this.tell(TOO_MANY_TEXT);
  }

  /** Writes as much as is taken, and ends after the last of it. */
  drain(): void {
    if (!this.#isTold) return;
    const count = this.#socket.write(this.#rest);
    // Whoever hangs up early knows it.
    if (count < 0) return;
    this.#rest = this.#rest.subarray(count);
    if (this.#rest.length === 0) this.#hangUp();
  }

  ended(): void {
    this.#hasEnded = true;
    if (this.#isTold && this.#rest.length === 0) this.#hangUp();
  }

  /** Not both directions at once: the other side could see a reset. */
  #hangUp(): void {
    if (this.#hasEnded) this.#socket.end();
    else this.#socket.shutdown();
  }

  gone(): void {
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#onGone();
  }
}

/** @throws {Fault} `configInvalid`. */
function listen(path: string, opened: (socket: CallerSocket) => void) {
  const options = {
    unix: path,
    // Who has said all it has to say still wants to hear.
    allowHalfOpen: true,
    socket: {
      open: opened,
      // What is said here is nobody's business.
      data: () => undefined,
      drain: ({ data }: CallerSocket) => data.caller?.drain(),
      end: ({ data }: CallerSocket) => data.caller?.ended(),
      close: ({ data }: CallerSocket) => data.caller?.gone(),
      // It is closed as well.
      error: () => undefined,
    },
  };
  try {
    return Bun.listen<{ caller?: Caller }>(options);
  } catch (error) {
    throw fileFault("make status socket", path, error);
  }
}

/** Removes what a dead process left at `path`. @throws {Fault} `configInvalid`. */
async function removeStale(path: string): Promise<void> {
  const isSocket = await isSocketAt(path);
  if (isSocket === undefined) return;
  if (!isSocket) {
    throw new Fault(
      "configInvalid",
      `Cannot make status socket ${path}: another kind of file is there`,
      { hint: "Move it away, or set `status_socket` to another path" },
    );
  }
  if (await isServed(path)) {
    throw new Fault(
      "configInvalid",
      `Cannot make status socket ${path}: another agent serves it`,
      { hint: "Stop the other agent, or set `state_dir` to another path" },
    );
  }
  await rm(path, { force: true });
}

/** Undefined: there is nothing at `path`. */
async function isSocketAt(path: string): Promise<boolean | undefined> {
  try {
    return (await lstat(path)).isSocket();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw fileFault("make status socket", path, error);
  }
}

/** Whoever is too busy to accept lives, too: only a refusal is a death. */
async function isServed(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), PROBE_TIMEOUT_MS);
  const dialing = Bun.connect({
    unix: path,
    socket: { data: () => undefined, connectError: () => undefined },
  });
  dialing.then((socket) => {
    resolve(true);
    socket.terminate();
  }, (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** A bug in `state` is told to whoever asked, and ends no agent. */
async function stateText(state: () => unknown): Promise<string> {
  try {
    return JSON.stringify({ state: await state() });
  } catch (error) {
    return JSON.stringify({ bug: String(error) });
  }
}
