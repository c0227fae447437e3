import type { IncomingMessage } from "node:http";
import type { JsonAnswer } from "../transport/post_json.ts";
import { dateMs, retryAfterMs } from "./retry_after.ts";

const BODY_MAX_BYTES = 16 * 1024;
const BODY_TIMEOUT_MS = 2_000;

/** Reads the answer to a WebSocket handshake that was not accepted. */
export async function readJsonAnswer(
  response: IncomingMessage,
): Promise<JsonAnswer> {
  const retryAfter = response.headers["retry-after"] ?? null;
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: retryAfterMs(retryAfter),
    dateMs: dateMs(response.headers.date),
    body: parseJson(await bodyOf(response)),
  };
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  const finish = () => resolve(Buffer.concat(chunks).toString("utf8"));
  const timer = setTimeout(finish, BODY_TIMEOUT_MS);
  response.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= BODY_MAX_BYTES) chunks.push(chunk);
  });
  response.on("end", finish);
  response.on("error", finish);
  return await promise.finally(() => clearTimeout(timer));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A page, or nothing: the status says the rest.
  }
}
