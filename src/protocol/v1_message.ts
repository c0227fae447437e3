import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { deviceIdSchema } from "./id.ts";

/**
 * Protocol 1: what migasfree 5's own agent, relay and clients say, one JSON
 * object per message. docs/PROTOCOL.md §11 has it in words.
 *
 * One parser serves all four directions: who may say what is decided by those
 * who hear it. Nothing here throws. Peers of protocol 1 have been sending each
 * other what the other does not know for years, and go on.
 */

/** Ids are whatever a peer has made up: `cli-<uuid>`, for example. */
const V1_ID_MAX_CHARS = 128;
const V1_NAME_MAX_CHARS = 512;
const V1_TEXT_MAX_CHARS = 4_096;
const V1_COMMAND_MAX_CHARS = 65_536;
const V1_SERVICES_MAX_COUNT = 64;
/** How much of a message that cannot be read is shown to a person. */
const SHOWN_MAX_CHARS = 64;

/** A tunnel or a remote command, as one of the peers has named it. */
const idSchema = z.string().check(z.minLength(1), z.maxLength(V1_ID_MAX_CHARS));

/** migasfree's CID; some of its programs write the integer as text. */
const deviceSchema = z.union([
  deviceIdSchema,
  z.pipe(
    z.pipe(z.string().check(z.regex(/^[0-9]{1,10}$/)), z.transform(Number)),
    deviceIdSchema,
  ),
]);

/** Whoever wants what cannot be a device hears that there is none. */
const wantedSchema = z.catch(z.optional(deviceSchema), undefined);

const nameSchema = z.string().check(z.maxLength(V1_NAME_MAX_CHARS));
const nullishName = z.pipe(
  z.nullish(nameSchema),
  z.transform((name) => name ?? undefined),
);

const schema = z.discriminatedUnion("type", [
  // From an agent.
  z.object({
    type: z.literal("register_agent"),
    id: deviceSchema,
    name: z._default(nameSchema, ""),
    services: z._default(
      z.array(nameSchema).check(z.maxLength(V1_SERVICES_MAX_COUNT)),
      [],
    ),
  }),
  // To an agent.
  z.object({
    type: z.literal("registration_ok"),
    // Only our own gateway says so: docs/PROTOCOL.md §11.
    protocols: z.catch(
      z.optional(z.array(z.int()).check(z.maxLength(V1_SERVICES_MAX_COUNT))),
      undefined,
    ),
  }),
  z.object({ type: z.literal("close_tcp_tunnel"), "tunnel_id": idSchema }),
  // From an operator; `start_tcp_tunnel` and `execute_command` go on to an agent.
  z.object({ type: z.literal("connect_client") }),
  z.object({ type: z.literal("list_agents") }),
  z.object({
    type: z.literal("start_tcp_tunnel"),
    "tunnel_id": idSchema,
    id: wantedSchema,
    service: z._default(nameSchema, "ssh"),
    "client_cn": nullishName,
  }),
  z.object({
    type: z.literal("execute_command"),
    "exec_id": idSchema,
    id: wantedSchema,
    command: z.string().check(z.maxLength(V1_COMMAND_MAX_CHARS)),
    "client_cn": nullishName,
  }),
  // From either.
  z.object({ type: z.literal("close_tunnel"), "tunnel_id": idSchema }),
  z.object({ type: z.literal("tunnel_closed"), "tunnel_id": idSchema }),
  // To an operator.
  z.object({ type: z.literal("connection_ok") }),
  z.object({ type: z.literal("tunnel_started"), "tunnel_id": idSchema }),
  z.object({ type: z.literal("exec_started"), "exec_id": idSchema }),
  z.object({
    type: z.literal("exec_output"),
    "exec_id": idSchema,
    stream: z.enum(["stdout", "stderr"]),
    data: z.string(),
  }),
  z.object({
    type: z.literal("exec_complete"),
    "exec_id": idSchema,
    "exit_code": z.int(),
  }),
  z.object({
    type: z.literal("exec_error"),
    "exec_id": idSchema,
    error: z.pipe(
      z.string(),
      z.transform((text) => plainText(text, V1_TEXT_MAX_CHARS)),
    ),
  }),
  // To whoever wanted what cannot be.
  z.object({
    type: z.literal("error"),
    message: z.pipe(
      z.string(),
      z.transform((text) => plainText(text, V1_TEXT_MAX_CHARS)),
    ),
  }),
]);

/** Bytes of a tunnel; the one message that comes often. */
export interface V1TunnelData {
  readonly type: "tunnel_data";
  readonly "tunnel_id": string;
  readonly data: Uint8Array;
}

/** What is no message that we know: said to the log, and not to the peer. */
export interface V1Ignored {
  readonly type: "ignored";
  /** One sentence, harmless text. */
  readonly why: string;
}

/** A message that means something. */
export type V1Message = z.infer<typeof schema> | V1TunnelData;

/** Returns what a peer of protocol 1 has said. Never throws. */
export function parseV1Message(
  message: string | Uint8Array,
): V1Message | V1Ignored {
  let json: unknown;
  try {
    // The relay of upstream takes JSON in binary messages, too.
    const text = typeof message === "string"
      ? message
      : new TextDecoder("utf-8", { fatal: true }).decode(message);
    json = JSON.parse(text);
  } catch (error) {
    return ignored(error instanceof Error ? error.message : "it is no JSON");
  }
  if (isTunnelData(json)) return tunnelData(json.tunnel_id, json.data);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return ignored(issue?.path.join(".") || "it is no object with a known type");
}

/** Not by zod: it is most of what comes, and nothing but two strings. */
function isTunnelData(
  json: unknown,
): json is { readonly "tunnel_id": string; readonly data: string } {
  if (typeof json !== "object" || json === null) return false;
  if (!("type" in json) || json.type !== "tunnel_data") return false;
  return "tunnel_id" in json && typeof json.tunnel_id === "string" &&
    json.tunnel_id.length <= V1_ID_MAX_CHARS &&
    "data" in json && typeof json.data === "string";
}

function tunnelData(tunnelId: string, hex: string): V1TunnelData | V1Ignored {
  try {
    const data = Uint8Array.fromHex(hex);
    return { type: "tunnel_data", "tunnel_id": tunnelId, data };
  } catch {
    return ignored("its data is not hexadecimal"); // What fromHex throws says no more.
  }
}

function ignored(why: string): V1Ignored {
  return { type: "ignored", why: plainText(why, SHOWN_MAX_CHARS) };
}
