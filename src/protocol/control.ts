import * as z from "zod/mini";
import { Fault } from "./fault.ts";
import { faultCodeSchema } from "./fault_code.ts";
import {
  deviceIdSchema,
  deviceNameSchema,
  serviceNameSchema,
  tunnelIdSchema,
} from "./id.ts";
import {
  CONTROL_MESSAGE_MAX_BYTES,
  DETACH_MAX_MS,
  FAULT_MESSAGE_MAX_CHARS,
  OPERATOR_NAME_MAX_CHARS,
  RESUME_TOKEN_MAX_CHARS,
  RETRY_CAP_MAX_MS,
  SERVICES_MAX_COUNT,
  TICKET_MAX_CHARS,
} from "./limits.ts";

/** The messages of a control link: docs/PROTOCOL.md §4, in its order. */

const durationSchema = z.int().check(z.minimum(0), z.maximum(86_400_000));
const versionTextSchema = z.string().check(z.maxLength(64));

/** What an agent knows of a local port without disturbing who listens there. */
export const serviceSchema = z.object({
  name: serviceNameSchema,
  state: z.enum(["open", "closed", "unknown"]),
  /** How long its tunnels wait for a new link; absent: as the gateway says. */
  detach_ms: z.optional(z.int().check(z.minimum(0), z.maximum(DETACH_MAX_MS))),
});
export type Service = z.infer<typeof serviceSchema>;

const servicesField = z.array(serviceSchema).check(
  z.maxLength(SERVICES_MAX_COUNT),
);

/** How a link proves that it is alive; the gateway dictates it. */
export const heartbeatSchema = z.object({
  /** How often each side says something, in milliseconds. */
  interval_ms: z.int().check(z.minimum(1_000), z.maximum(600_000)),
  /** Silence after which a link is dead, in milliseconds. */
  timeout_ms: z.int().check(z.minimum(3_000), z.maximum(1_800_000)),
});
export type HeartbeatValues = z.infer<typeof heartbeatSchema>;

export const helloSchema = z.object({
  type: z.literal("hello"),
  versions: z.array(z.int().check(z.minimum(1), z.maximum(1_000))).check(
    z.minLength(1),
    z.maxLength(16),
  ),
  software: versionTextSchema,
  device: z.object({ id: deviceIdSchema, name: deviceNameSchema }),
  services: servicesField,
  /** Random, new with each start of the agent: its tunnels end with it. */
  instance: z.optional(tunnelIdSchema),
});
export type Hello = z.infer<typeof helloSchema>;

export const servicesSchema = z.object({
  type: z.literal("services"),
  services: servicesField,
});

export const openedSchema = z.object({
  type: z.literal("opened"),
  tunnel: tunnelIdSchema,
});

export const refusedSchema = z.object({
  type: z.literal("refused"),
  tunnel: tunnelIdSchema,
  code: faultCodeSchema,
  message: z.string().check(z.maxLength(FAULT_MESSAGE_MAX_CHARS)),
});

/** Both ways. With `echo`, the hearer answers at once with one without. */
export const heartbeatMessageSchema = z.object({
  type: z.literal("heartbeat"),
  echo: z.optional(z.boolean()),
});

/** So many at most in one message: whoever says more counts wrongly. */
const countSchema = z.int().check(z.minimum(0), z.maximum(2 ** 48));

/** What has become of tunnels without a link since the last such message. */
const detachNewsSchema = z.object({
  /** The detach time was over before a new link stood. */
  expired: countSchema,
  replayed_bytes: countSchema,
});
export type DetachNews = z.infer<typeof detachNewsSchema>;

const agentHeartbeatSchema = z.extend(heartbeatMessageSchema, {
  detaches: z.optional(detachNewsSchema),
});

export const welcomeSchema = z.object({
  type: z.literal("welcome"),
  version: z.int(),
  software: versionTextSchema,
  heartbeat: heartbeatSchema,
  /** Longest wait between two attempts to come back, in milliseconds. */
  retry_cap_ms: z.int().check(z.minimum(0), z.maximum(RETRY_CAP_MAX_MS)),
  /** How many tunnels the gateway will ask this agent for at once. */
  tunnels_max: z.int().check(z.minimum(0), z.maximum(65_536)),
});
export type Welcome = z.infer<typeof welcomeSchema>;

export const openSchema = z.object({
  type: z.literal("open"),
  tunnel: tunnelIdSchema,
  service: serviceNameSchema,
  operator: z.string().check(z.maxLength(OPERATOR_NAME_MAX_CHARS)),
  ticket: z.string().check(z.minLength(1), z.maxLength(TICKET_MAX_CHARS)),
  deadline_ms: durationSchema,
  /** As `joined` says them: for an agent whose link is lost before it. */
  resume_token: z.optional(
    z.string().check(z.minLength(1), z.maxLength(RESUME_TOKEN_MAX_CHARS)),
  ),
  detach_ms: z.optional(z.int().check(z.minimum(0), z.maximum(DETACH_MAX_MS))),
});
export type Open = z.infer<typeof openSchema>;

export const cancelSchema = z.object({
  type: z.literal("cancel"),
  tunnel: tunnelIdSchema,
});

export const drainSchema = z.object({
  type: z.literal("drain"),
  reconnect_within_ms: durationSchema,
});

const fromAgentSchema = z.discriminatedUnion("type", [
  helloSchema,
  servicesSchema,
  openedSchema,
  refusedSchema,
  agentHeartbeatSchema,
]);
export type FromAgent = z.infer<typeof fromAgentSchema>;

const fromGatewaySchema = z.discriminatedUnion("type", [
  welcomeSchema,
  openSchema,
  cancelSchema,
  drainSchema,
  heartbeatMessageSchema,
]);
export type FromGateway = z.infer<typeof fromGatewaySchema>;

/**
 * Reads one message that an agent sent on its control link.
 *
 * @throws {Fault} `messageInvalid`, `messageTooLarge`.
 */
export function parseFromAgent(message: string | Uint8Array): FromAgent {
  return parseMessage(fromAgentSchema, message, CONTROL_MESSAGE_MAX_BYTES);
}

/**
 * Reads one message that a gateway sent on a control link.
 *
 * @throws {Fault} `messageInvalid`, `messageTooLarge`.
 */
export function parseFromGateway(message: string | Uint8Array): FromGateway {
  return parseMessage(fromGatewaySchema, message, CONTROL_MESSAGE_MAX_BYTES);
}

/**
 * Reads a JSON text message against `schema`. Unknown keys are dropped, so
 * that a newer peer may say more; an unknown `type` is refused.
 *
 * @throws {Fault} `messageInvalid`, `messageTooLarge`. The text of neither
 * repeats what the peer sent.
 */
export function parseMessage<T>(
  schema: z.ZodMiniType<T>,
  message: string | Uint8Array,
  maxBytes: number,
): T {
  if (typeof message !== "string") {
    throw invalid("it is binary, text was expected");
  }
  if (isLonger(message, maxBytes)) {
    throw new Fault(
      "messageTooLarge",
      `Cannot read message: over ${maxBytes} bytes`,
    );
  }
  const result = schema.safeParse(parseJson(message));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.slice(0, 4).join(".") || "type";
  throw invalid(`its "${path}" is not what the protocol says`);
}

/** Returns whether the UTF-8 form of `text` has more than `maxBytes`. */
function isLonger(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes: most texts need no counting.
  if (text.length > maxBytes) return true;
  if (text.length * 3 <= maxBytes) return false;
  return new TextEncoder().encode(text).byteLength > maxBytes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON", cause);
  }
}

function invalid(detail: string, cause?: unknown): Fault {
  return new Fault("messageInvalid", `Cannot read message: ${detail}`, {
    cause,
  });
}
