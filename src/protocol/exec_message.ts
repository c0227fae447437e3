import * as z from "zod/mini";
import { parseMessage } from "./control.ts";
import { faultCodeSchema } from "./fault_code.ts";
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
const wordSchema = z.string().check(z.regex(/^[^\0]*$/));

/** From the operator, first and once: what is to be run. */
const startSchema = z.object({
  /** The program and its arguments, as they are: nobody splits or expands. */
  argv: z.array(wordSchema).check(
    z.minLength(1),
    z.maxLength(EXEC_WORDS_MAX_COUNT),
    z.refine(([program]) => program !== ""),
  ),
  /** The operator's own limit, in milliseconds; the agent has one as well. */
  timeout_ms: z.optional(
    z.int().check(z.minimum(1), z.maximum(EXEC_TIMEOUT_MAX_MS)),
  ),
});
export type ExecStart = z.infer<typeof startSchema>;

/**
 * Signals go by name, since their numbers differ between systems; `SIG` and
 * its number is one that has none.
 */
const signalSchema = z.string().check(
  z.maxLength(16),
  z.regex(/^SIG[A-Z0-9]+$/),
);

/** From the agent, last: how the command ended. */
const exitSchema = z.union([
  z.object({ code: z.int().check(z.minimum(0), z.maximum(0xffff_ffff)) }),
  z.object({ signal: signalSchema }),
]);
export type ExecExit = z.infer<typeof exitSchema>;

/** From the agent, last: why there is no exit status. */
const errorSchema = z.object({
  code: faultCodeSchema,
  message: z.string().check(z.maxLength(FAULT_MESSAGE_MAX_CHARS)),
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
