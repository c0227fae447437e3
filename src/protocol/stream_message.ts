import * as z from "zod/mini";
import { parseMessage } from "./control.ts";
import { heartbeatMessageSchema, heartbeatSchema } from "./control.ts";
import { faultCodeSchema } from "./fault_code.ts";
import { tunnelIdSchema } from "./id.ts";
import {
  DETACH_MAX_MS,
  FAULT_MESSAGE_MAX_CHARS,
  RESUME_TOKEN_MAX_CHARS,
  STREAM_CONTROL_MAX_BYTES,
  WINDOW_MAX_BYTES,
} from "./limits.ts";

/**
 * The text messages of a stream link: docs/PROTOCOL.md §5. A binary message
 * carries no header: it is the stream's bytes at the next offset.
 */

const offsetSchema = z.int().check(
  z.minimum(0),
  z.maximum(Number.MAX_SAFE_INTEGER),
);

/** From the gateway, first on each end's link: the two ends are joined. */
export const joinedSchema = z.object({
  type: z.literal("joined"),
  tunnel: tunnelIdSchema,
  heartbeat: heartbeatSchema,
  /** Shown to come back after a lost link; a secret. Absent: it cannot be. */
  resume_token: z.optional(
    z.string().check(z.minLength(1), z.maxLength(RESUME_TOKEN_MAX_CHARS)),
  ),
  /** How long each end waits for a new link, in milliseconds. */
  detach_ms: z.optional(z.int().check(z.minimum(0), z.maximum(DETACH_MAX_MS))),
});
export type Joined = z.infer<typeof joinedSchema>;

/**
 * From the receiver of bytes: all below `offset` have reached the program,
 * and the sender may go on up to `offset + window_bytes`.
 */
const ackSchema = z.object({
  type: z.literal("ack"),
  offset: offsetSchema,
  window_bytes: z.int().check(z.minimum(0), z.maximum(WINDOW_MAX_BYTES)),
  /** The sender needs nothing more: its own end was acknowledged, too. */
  complete: z.optional(z.boolean()),
});

/**
 * First over a link that is not the stream's first: all below `offset` is
 * here, and the other end sends the rest once more.
 */
const resumeSchema = z.object({
  type: z.literal("resume"),
  offset: offsetSchema,
});

/** No byte follows `offset` in this direction; the other one stays open. */
const endSchema = z.object({ type: z.literal("end"), offset: offsetSchema });

/** The stream broke off: both directions are over, and it was no clean end. */
const resetSchema = z.object({
  type: z.literal("reset"),
  code: faultCodeSchema,
  message: z.string().check(z.maxLength(FAULT_MESSAGE_MAX_CHARS)),
});

const streamMessageSchema = z.discriminatedUnion("type", [
  joinedSchema,
  ackSchema,
  endSchema,
  resetSchema,
  resumeSchema,
  heartbeatMessageSchema,
]);
export type StreamMessage = z.infer<typeof streamMessageSchema>;

/** What the two ends say to each other, past the gateway's own words. */
export type EndMessage = Extract<
  StreamMessage,
  { type: "ack" | "end" | "reset" }
>;

/**
 * Reads one text message of a stream link.
 *
 * @throws {Fault} `messageInvalid`, `messageTooLarge`.
 */
export function parseStreamMessage(text: string): StreamMessage {
  return parseMessage(streamMessageSchema, text, STREAM_CONTROL_MAX_BYTES);
}

/**
 * The one spelling of a heartbeat on a stream link. It goes hop by hop: the
 * gateway takes exactly these texts out and forwards everything else unread.
 */
export const HEARTBEAT_TEXT = '{"type":"heartbeat"}';

/** A heartbeat that wants {@linkcode HEARTBEAT_TEXT} back at once. */
export const HEARTBEAT_ECHO_TEXT = '{"type":"heartbeat","echo":true}';
