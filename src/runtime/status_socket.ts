import { chmod, lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode, fileFault } from "./files.ts";

/** Largest state that is heard. Ours to choose. */
const STATE_MAX_BYTES = 1024 * 1024;

/** How many may ask at once: it is people and scripts, one by one. */
const CALLERS_MAX_COUNT = 16;

/** How long somebody who asked may take to hear. */
const HEAR_TIMEOUT_MS = 5_000;

/** How long whoever listens already may take to show it. */
const PROBE_TIMEOUT_MS = 1_000;

const BUG_MAX_CHARS = 200;

/**
 * Tells whoever connects to `path` the state, as one JSON text, and hangs up.
 *
 * A socket that a dead process left is replaced. The new one is for the
 * owner and the group, mode 0660. On Windows `path` is a named pipe.
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
  const callers = new Set<Socket>();
  const server = createServer((socket) => {
    if (callers.size >= CALLERS_MAX_COUNT) return turnAway(socket);
    callers.add(socket);
    socket.once("close", () => callers.delete(socket));
    // It never rejects.
    void stateText(state).then((text) => tell(socket, text));
  });
  await listen(server, path);
  if (!isPipe) await chmod(path, 0o660);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of callers) socket.destroy();
      await close(server);
    },
  };
}

/**
 * Asks the agent on this machine for its state.
 *
 * That none runs is `programMissing`: of the table the row that is about this
 * machine, leaves with 69 and is not tried again. `deviceOffline` would name
 * a device that a gateway misses.
 *
 * @throws {Fault} `programMissing`; `usageInvalid` if this user may not ask;
 * `linkSilent` after `timeoutMs`; `messageInvalid`, `messageTooLarge`.
 * @throws `signal.reason` once aborted.
 */
export async function askStatus(
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<unknown> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(path);
  const chunks: Buffer[] = [];
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > STATE_MAX_BYTES) reject(tooLarge());
    else chunks.push(chunk);
  });
  socket.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  socket.once("error", (error) => reject(askFault(error, path)));
  socket.once("close", () => reject(invalid("it hung up")));
  const timer = setTimeout(() => reject(silent(timeoutMs)), timeoutMs);
  const stop = () => reject(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return parseState(await promise);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.destroy();
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
  const socket = connect(path);
  socket.once("connect", () => resolve(true));
  socket.once("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  const timer = setTimeout(() => resolve(true), PROBE_TIMEOUT_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  try {
    server.listen(path, resolve);
    await promise;
  } catch (error) {
    throw fileFault("make status socket", path, error);
  } finally {
    server.off("error", reject);
  }
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // With an error if it was closed before: then it is gone, too.
  server.close(() => resolve());
  await promise;
}

function tell(socket: Socket, text: string): void {
  // Whoever hangs up early, or does not hear, knows it.
  socket.on("error", () => socket.destroy());
  socket.setTimeout(HEAR_TIMEOUT_MS, () => socket.destroy());
  socket.resume();
  socket.end(text);
}

function turnAway(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  const text = JSON.stringify({ bug: "too many ask at once" });
  socket.end(text, () => socket.destroy());
}

/** A bug in `state` is told to whoever asked, and ends no agent. */
async function stateText(state: () => unknown): Promise<string> {
  try {
    return JSON.stringify({ state: await state() });
  } catch (error) {
    return JSON.stringify({ bug: String(error) });
  }
}

function parseState(text: string): unknown {
  const { bug, state } = Object(parseJson(text)) as Record<string, unknown>;
  if (state !== undefined) return state;
  throw invalid(
    typeof bug === "string" ? plainText(bug, BUG_MAX_CHARS) : "it has no state",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON", cause);
  }
}

function askFault(error: unknown, path: string): Fault {
  const code = errorCode(error) ?? "no code";
  if (code === "EACCES" || code === "EPERM") {
    return new Fault(
      "usageInvalid",
      `Cannot ask the agent at ${path}: this user may not`,
      {
        hint: "Run it with sudo, or as the user the agent runs as",
        cause: error,
      },
    );
  }
  if (code !== "ENOENT" && code !== "ECONNREFUSED") {
    return invalid(`the system says ${code}`, error);
  }
  return new Fault(
    "programMissing",
    `Cannot ask the agent at ${path}: none runs on this computer`,
    {
      hint: "Start it, with `systemctl start migasfree-agent` " +
        "or `migasfree-agent run`",
      cause: error,
    },
  );
}

function silent(timeoutMs: number): Fault {
  const seconds = timeoutMs / 1_000;
  return new Fault(
    "linkSilent",
    `Cannot hear the agent: silent for ${seconds} s`,
    {
      hint: "Look at its log, and start it again",
    },
  );
}

function tooLarge(): Fault {
  return new Fault(
    "messageTooLarge",
    `Cannot read the agent's answer: over ${STATE_MAX_BYTES} bytes`,
    { hint: "Check that an agent serves that socket" },
  );
}

function invalid(detail: string, cause?: unknown): Fault {
  return new Fault(
    "messageInvalid",
    `Cannot read the agent's answer: ${detail}`,
    {
      hint: "Check that an agent serves that socket",
      cause,
    },
  );
}
