import { z } from "zod";
import { EXEC_SERVICE, EXEC_TIMEOUT_MAX_MS } from "../protocol/exec_message.ts";
import { isLoopbackHost, parseGatewayUrl } from "../protocol/gateway_url.ts";
import { deviceIdSchema, serviceNameSchema } from "../protocol/id.ts";
import {
  DETACH_MAX_MS,
  DEVICE_NAME_MAX_CHARS,
  SERVICES_MAX_COUNT,
} from "../protocol/limits.ts";
import {
  type SocketAddress,
  socketAddressSchema,
} from "../protocol/socket_address.ts";
import type { Discovered } from "./discover.ts";
import { EXEC_ALLOW_DEFAULT, type ExecRules } from "./exec.ts";
import type { ProtocolSetting } from "./ports.ts";

/** What the agent's program knows of its machine before it reads anything. */
export interface AgentDefaults {
  /** The host's name. */
  readonly name: string;
  /** Default `/var/lib/migasfree-agent`. */
  readonly stateDir?: string | undefined;
  /** A named pipe, where there are no Unix sockets. */
  readonly statusSocket?: string | undefined;
}

/** An agent's configuration, checked, with every default filled in. */
export interface AgentConfig {
  readonly deviceId: number;
  readonly name: string;
  /** Origin of the manager, which is asked if `gatewayUrl` is undefined. */
  readonly manager: string | undefined;
  readonly gatewayUrl: string | undefined;
  readonly protocol: ProtocolSetting;
  readonly caFile: string | undefined;
  /** Both or neither. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** `caFile` is migasfree's: it may be yet to come, and is not all we trust. */
  readonly isCaAdded: boolean;
  /** Certificate and key are migasfree's: it may be yet to make them. */
  readonly isPairOptional: boolean;
  /** Where it keeps what it renews itself; undefined: somebody else does. */
  readonly renewedFile: string | undefined;
  /** Holds a password, perhaps. Undefined: as the environment says. */
  readonly proxy: string | undefined;
  readonly stateDir: string;
  readonly statusSocket: string;
  readonly logFormat: "text" | "json";
  readonly tunnelsMax: number;
  /** Ceiling for the windows of all streams together. */
  readonly windowBudgetBytes: number;
  readonly services: ReadonlyMap<string, SocketAddress>;
  /** How long the tunnels of a service wait for a new link, by its name. */
  readonly detachMs: ReadonlyMap<string, number>;
  readonly exec: ExecRules;
  /** Nobody's certificate is verified: for debugging, and said loudly. */
  readonly debugInsecureTls: boolean;
}

const STATE_DIR = "/var/lib/migasfree-agent";
const MEBIBYTE = 1024 * 1024;
const TUNNELS_MAX_COUNT = 4_096;
const COMMANDS_MAX_COUNT = 256;
const EXEC_CONCURRENT_MAX_COUNT = 256;
/** The remote command is one service more. */
const ADDRESSES_MAX_COUNT = SERVICES_MAX_COUNT - 1;
/** `*` names no program: nobody allows everything by mistake. */
const PROGRAM_REGEXP = /^(?:(?!\*$)[^/\\]+|\/.+|[a-z]:[/\\].+)$/i;

const GATEWAY_EXAMPLE = 'gateway = "wss://mf.example.org/tunnel"';
const MANAGER_EXAMPLE = 'manager = "https://mf.example.org"';

const pathSchema = z.string().min(1, { error: "a path" }).max(4_096);

const gatewaySchema = z.string()
  .refine((text) => parseGatewayUrl(text, true) !== undefined, {
    error: "a URL such as wss://mf.example.org/tunnel",
  })
  .meta({ example: GATEWAY_EXAMPLE });

const managerSchema = z.string()
  .refine((text) => parseManagerUrl(text) !== undefined, {
    error: "a URL such as https://mf.example.org",
  })
  .meta({ example: MANAGER_EXAMPLE });

const proxySchema = z.string().regex(/^https?:\/\/[^\s]+$/i, {
  error: "a URL such as http://user:password@proxy:3128",
}).meta({ secret: true });

const servicesSchema = z.record(
  z.string().refine((name) => serviceNameSchema.safeParse(name).success, {
    error: "a lower-case letter, then letters, digits, - or _",
  }).refine((name) => name !== EXEC_SERVICE, {
    error: `another name: ${EXEC_SERVICE} is the remote command, see [exec]`,
  }),
  socketAddressSchema(1).meta({ example: 'ssh = "127.0.0.1:22"' }),
).refine((services) => Object.keys(services).length <= ADDRESSES_MAX_COUNT, {
  error: `at most ${ADDRESSES_MAX_COUNT} services`,
});

const detachSchema = z.record(
  z.string(),
  z.int().min(0).max(DETACH_MAX_MS).meta({ example: "ssh = 1800000" }),
);

const commandSchema = z.array(z.string().min(1).max(1_024)).min(1).max(64)
  .refine(([program = "none"]) => PROGRAM_REGEXP.test(program), {
    error: "a program's name or whole path, then its words",
  });

/** `agent.toml`: docs/OPERATIONS.md has it in words. */
export const agentConfigSchema = z.strictObject({
  device_id: deviceIdSchema.meta({ example: "device_id = 7" }).optional(),
  name: z.string().min(1).max(DEVICE_NAME_MAX_CHARS).optional(),
  manager: managerSchema.optional(),
  gateway: gatewaySchema.optional(),
  protocol: z.enum(["auto", "1", "2"]).default("auto"),
  ca_file: pathSchema.optional(),
  cert_file: pathSchema.optional(),
  key_file: pathSchema.optional(),
  renew: z.boolean().optional(),
  proxy: proxySchema.optional(),
  state_dir: pathSchema.optional(),
  status_socket: pathSchema.optional(),
  log_format: z.enum(["text", "json"]).default("text"),
  tunnels_max: z.int().min(1).max(TUNNELS_MAX_COUNT).default(64),
  window_budget_bytes: z.int().min(MEBIBYTE).max(64 * 1024 * MEBIBYTE)
    .default(64 * MEBIBYTE),
  // The whole table: who names one service offers no other.
  services: servicesSchema.default({
    ssh: { host: "127.0.0.1", port: 22 },
    vnc: { host: "127.0.0.1", port: 5900 },
    rdp: { host: "127.0.0.1", port: 3389 },
  }),
  detach_ms: detachSchema.default({}),
  exec: z.strictObject({
    // The whole list, too; an empty one offers no remote command.
    allow: z.array(commandSchema).max(COMMANDS_MAX_COUNT)
      .default(EXEC_ALLOW_DEFAULT.map((words) => [...words])),
    timeout_ms: z.int().min(1_000).max(EXEC_TIMEOUT_MAX_MS).default(3_600_000),
    concurrent_max: z.int().min(1).max(EXEC_CONCURRENT_MAX_COUNT).default(4),
  }).prefault({}),
  debug_insecure_tls: z.boolean().default(false),
}).superRefine(checkTogether, { when: () => true });

export type AgentConfigFile = z.output<typeof agentConfigSchema>;

/**
 * Puts together what the file says, then what migasfree told, then what
 * depends on the machine or on other keys.
 *
 * Returns undefined while nobody has said which device this is, or where its
 * gateway or manager is.
 */
export function agentConfig(
  file: AgentConfigFile,
  defaults: AgentDefaults,
  found?: Discovered,
): AgentConfig | undefined {
  const { gateway, manager = found?.conf?.manager } = file;
  const deviceId = file.device_id ?? found?.deviceId;
  const hasWay = gateway !== undefined || manager !== undefined;
  if (deviceId === undefined || !hasWay) return undefined;
  return {
    deviceId,
    name: file.name ?? found?.conf?.name ??
      defaults.name.slice(0, DEVICE_NAME_MAX_CHARS),
    manager: manager === undefined ? undefined : parseManagerUrl(manager),
    // Whether it may be plain is the schema's business.
    gatewayUrl: gateway === undefined
      ? undefined
      : parseGatewayUrl(gateway, true),
    protocol: file.protocol,
    ...tlsFiles(file, found),
    proxy: file.proxy,
    ...agentPlaces(file, defaults),
    renewedFile: file.renew
      ? `${stateDirOf(file, defaults)}/renewed.pem`
      : undefined,
    logFormat: file.log_format,
    tunnelsMax: file.tunnels_max,
    windowBudgetBytes: file.window_budget_bytes,
    services: new Map(Object.entries(file.services)),
    detachMs: new Map(Object.entries(file.detach_ms)),
    exec: {
      allow: file.exec.allow,
      timeoutMs: file.exec.timeout_ms,
      concurrentMax: file.exec.concurrent_max,
    },
    debugInsecureTls: file.debug_insecure_tls,
  };
}

/** Where an agent keeps its state and can be asked: this nobody else tells. */
export function agentPlaces(
  file: AgentConfigFile,
  defaults: AgentDefaults,
): Pick<AgentConfig, "stateDir" | "statusSocket"> {
  return {
    stateDir: file.state_dir ?? defaults.stateDir ?? STATE_DIR,
    statusSocket: file.status_socket ?? defaults.statusSocket ??
      `${stateDirOf(file, defaults)}/agent.sock`,
  };
}

function stateDirOf(file: AgentConfigFile, defaults: AgentDefaults): string {
  const stateDir = file.state_dir ?? defaults.stateDir ?? STATE_DIR;
  return stateDir.replace(/\/+$/, "");
}

/** A certificate goes with its key: the two come from one place. */
function tlsFiles(file: AgentConfigFile, found: Discovered | undefined) {
  const { conf } = found ?? {};
  const pair = file.cert_file === undefined
    ? { certFile: conf?.certFile, keyFile: conf?.keyFile }
    : { certFile: file.cert_file, keyFile: file.key_file };
  return {
    caFile: file.ca_file ?? conf?.caFile,
    ...pair,
    isCaAdded: file.ca_file === undefined && conf?.caFile !== undefined,
    isPairOptional: file.cert_file === undefined && pair.certFile !== undefined,
  };
}

/** Returns the origin of `text`, or undefined if it is more or less. */
function parseManagerUrl(text: string): string | undefined {
  const url = text.includes("://") ? URL.parse(text) : null;
  if (!url || url.hostname === "") return undefined;
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  return url.href === `${url.origin}/` ? url.origin : undefined;
}

function isPlainAbroad(manager: string): boolean {
  const url = URL.parse(manager);
  return url?.protocol === "http:" && !isLoopbackHost(url.hostname);
}

/**
 * Checks what one key cannot know. It runs even where a single key is wrong,
 * so that a person hears of everything at once: the types are no promise yet.
 */
function checkTogether(
  file: Readonly<Record<string, unknown>>,
  context: z.core.$RefinementCtx,
): void {
  const {
    cert_file: certFile,
    debug_insecure_tls: isInsecure,
    detach_ms: detachMs,
    gateway,
    key_file: keyFile,
    manager,
    services,
  } = file;
  function expected(
    key: string | readonly string[],
    message: string,
    example: string,
  ): void {
    const hint = `Write a line such as: ${example}`;
    context.addIssue({
      code: "custom",
      path: [key].flat(),
      message,
      params: { hint },
    });
  }
  const isPlain = typeof gateway === "string" &&
    parseGatewayUrl(gateway, isInsecure === true) === undefined;
  if (isPlain) {
    expected("gateway", "wss:// for another computer", GATEWAY_EXAMPLE);
  }
  const isManagerPlain = typeof manager === "string" && isPlainAbroad(manager);
  if (isManagerPlain && isInsecure !== true) {
    expected("manager", "https:// for another computer", MANAGER_EXAMPLE);
  }
  if (certFile !== undefined && keyFile === undefined) {
    expected("key_file", "the key of cert_file", 'key_file = "key.pem"');
  }
  if (keyFile !== undefined && certFile === undefined) {
    expected(
      "cert_file",
      "the certificate of key_file",
      'cert_file = "cert.pem"',
    );
  }
  const known = [...Object.keys(Object(services)), EXEC_SERVICE];
  for (const name of Object.keys(Object(detachMs))) {
    if (known.includes(name)) continue;
    expected(["detach_ms", name], "a name of [services]", "ssh = 1800000");
  }
}
