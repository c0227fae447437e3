import { z } from "zod";
import { parseMessage } from "./control.ts";
import { isFaultCode } from "./fault.ts";
import {
  EXEC_JSON_MAX_BYTES,
  EXEC_WORDS_MAX_COUNT,
  FAULT_MESSAGE_MAX_CHARS,
} from "./limits.ts";

/** The JSON in the frames of a remote command: docs/PROTOCOL.md §12. */

/** Name of the service: it is nobody's address. */
export const EXEC_SERVICE = "exec";

/** The longest time that anybody may give a command: a day. */
export const EXEC_TIMEOUT_MAX_MS = 86_400_000;

/** No system takes a NUL in a word (POSIX XSH exec). */
const wordSchema = z.string().regex(/^[^\0]*$/);

/** From the operator, first and once: what is to be run. */
const startSchema = z.object({
  /** The program and its arguments, as they are: nobody splits or expands. */
  argv: z.array(wordSchema).min(1).max(EXEC_WORDS_MAX_COUNT)
    .refine(([program]) => program !== ""),
  /** The operator's own limit, in milliseconds; the agent has one as well. */
  timeout_ms: z.int().min(1).max(EXEC_TIMEOUT_MAX_MS).optional(),
});
export type ExecStart = z.infer<typeof startSchema>;

/**
 * Signals go by name, since their numbers differ between systems; `SIG` and
 * its number is one that has none.
 */
const signalSchema = z.string().max(16).regex(/^SIG[A-Z0-9]+$/);

/** From the agent, last: how the command ended. */
const exitSchema = z.union([
  z.object({ code: z.int().min(0).max(0xffff_ffff) }),
  z.object({ signal: signalSchema }),
]);
export type ExecExit = z.infer<typeof exitSchema>;

/** From the agent, last: why there is no exit status. */
const errorSchema = z.object({
  code: z.string().max(64).refine(isFaultCode),
  message: z.string().max(FAULT_MESSAGE_MAX_CHARS),
});
export type ExecError = z.infer<typeof errorSchema>;

/** Reads the payload of `start`. @throws {Fault} `messageInvalid` */
export function parseExecStart(text: string): ExecStart {
  return parseMessage(startSchema, text, EXEC_JSON_MAX_BYTES);
}

/** Reads the payload of `exit`. @throws {Fault} `messageInvalid` */
export function parseExecExit(text: string): ExecExit {
  return parseMessage(exitSchema, text, EXEC_JSON_MAX_BYTES);
}

/** Reads the payload of `error`. @throws {Fault} `messageInvalid` */
export function parseExecError(text: string): ExecError {
  return parseMessage(errorSchema, text, EXEC_JSON_MAX_BYTES);
}
