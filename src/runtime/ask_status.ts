import { connect } from "node:net";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** Largest state that is heard. Ours to choose. */
const STATE_MAX_BYTES = 1024 * 1024;

const BUG_MAX_CHARS = 200;

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
