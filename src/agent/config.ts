import { z } from "zod";
import { isLoopbackHost, parseGatewayUrl } from "../protocol/gateway_url.ts";
import { deviceIdSchema, serviceNameSchema } from "../protocol/id.ts";
import {
  DEVICE_NAME_MAX_CHARS,
  SERVICES_MAX_COUNT,
} from "../protocol/limits.ts";
import {
  type SocketAddress,
  socketAddressSchema,
} from "../protocol/socket_address.ts";

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
  readonly caFile: string | undefined;
  /** Both or neither. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Holds a password, perhaps. Undefined: as the environment says. */
  readonly proxy: string | undefined;
  readonly stateDir: string;
  readonly statusSocket: string;
  readonly logFormat: "text" | "json";
  readonly tunnelsMax: number;
  /** Ceiling for the windows of all streams together. */
  readonly windowBudgetBytes: number;
  readonly services: ReadonlyMap<string, SocketAddress>;
  /** Commands an operator may run, each as its first words. */
  readonly execAllow: readonly (readonly string[])[];
  /** Nobody's certificate is verified: for debugging, and said loudly. */
  readonly debugInsecureTls: boolean;
}

const STATE_DIR = "/var/lib/migasfree-agent";
const MEBIBYTE = 1024 * 1024;
const TUNNELS_MAX_COUNT = 4_096;
const COMMANDS_MAX_COUNT = 256;

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
  }),
  socketAddressSchema(1).meta({ example: 'ssh = "127.0.0.1:22"' }),
).refine((services) => Object.keys(services).length <= SERVICES_MAX_COUNT, {
  error: `at most ${SERVICES_MAX_COUNT} services`,
});

const commandSchema = z.array(z.string().min(1).max(1_024)).min(1).max(64);

/** `agent.toml`: docs/OPERATIONS.md has it in words. */
export const agentConfigSchema = z.strictObject({
  device_id: deviceIdSchema.meta({ example: "device_id = 7" }),
  name: z.string().min(1).max(DEVICE_NAME_MAX_CHARS).optional(),
  manager: managerSchema.optional(),
  gateway: gatewaySchema.optional(),
  ca_file: pathSchema.optional(),
  cert_file: pathSchema.optional(),
  key_file: pathSchema.optional(),
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
  exec: z.strictObject({
    allow: z.array(commandSchema).max(COMMANDS_MAX_COUNT).default([]),
  }).default({ allow: [] }),
  debug_insecure_tls: z.boolean().default(false),
}).superRefine(checkTogether, { when: () => true });

type AgentConfigFile = z.output<typeof agentConfigSchema>;

/** Fills in what depends on the machine or on other keys. */
export function agentConfig(
  file: AgentConfigFile,
  defaults: AgentDefaults,
): AgentConfig {
  const { gateway, manager } = file;
  const stateDir = file.state_dir ?? defaults.stateDir ?? STATE_DIR;
  return {
    deviceId: file.device_id,
    name: file.name ?? defaults.name.slice(0, DEVICE_NAME_MAX_CHARS),
    manager: manager === undefined ? undefined : parseManagerUrl(manager),
    // Whether it may be plain is the schema's business.
    gatewayUrl: gateway === undefined
      ? undefined
      : parseGatewayUrl(gateway, true),
    caFile: file.ca_file,
    certFile: file.cert_file,
    keyFile: file.key_file,
    proxy: file.proxy,
    stateDir,
    statusSocket: file.status_socket ?? defaults.statusSocket ??
      `${stateDir.replace(/\/+$/, "")}/agent.sock`,
    logFormat: file.log_format,
    tunnelsMax: file.tunnels_max,
    windowBudgetBytes: file.window_budget_bytes,
    services: new Map(Object.entries(file.services)),
    execAllow: file.exec.allow,
    debugInsecureTls: file.debug_insecure_tls,
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
    gateway,
    key_file: keyFile,
    manager,
  } = file;
  function expected(key: string, message: string, example: string): void {
    const hint = `Write a line such as: ${example}`;
    context.addIssue({
      code: "custom",
      path: [key],
      message,
      params: { hint },
    });
  }
  if (gateway === undefined && manager === undefined) {
    expected("gateway", `this key or "manager"`, GATEWAY_EXAMPLE);
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
}
