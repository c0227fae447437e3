import * as z from "zod/mini";
import { EXEC_SERVICE, EXEC_TIMEOUT_MAX_MS } from "../protocol/exec_message.ts";
import { isLoopbackHost, parseGatewayUrl } from "../protocol/gateway_url.ts";
import { deviceIdSchema, serviceNameSchema } from "../protocol/id.ts";
import {
  DETACH_MAX_MS,
  DEVICE_NAME_MAX_CHARS,
  SERVICES_MAX_COUNT,
} from "../protocol/limits.ts";
import { socketAddressSchema } from "../protocol/socket_address.ts";
import { EXEC_ALLOW_DEFAULT } from "./exec.ts";

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

const pathSchema = z.string().check(
  z.minLength(1, { error: "a path" }),
  z.maxLength(4_096),
);

const gatewaySchema = z.string().check(
  z.refine((text) => parseGatewayUrl(text, true) !== undefined, {
    error: "a URL such as wss://mf.example.org/tunnel",
  }),
  z.meta({ example: GATEWAY_EXAMPLE }),
);

const managerSchema = z.string().check(
  z.refine((text) => parseManagerUrl(text) !== undefined, {
    error: "a URL such as https://mf.example.org",
  }),
  z.meta({ example: MANAGER_EXAMPLE }),
);

const proxySchema = z.string().check(
  z.regex(/^https?:\/\/[^\s]+$/i, {
    error: "a URL such as http://user:password@proxy:3128",
  }),
  z.meta({ secret: true }),
);

const servicesSchema = z.record(
  z.string().check(
    z.refine((name) => serviceNameSchema.safeParse(name).success, {
      error: "a lower-case letter, then letters, digits, - or _",
    }),
    z.refine((name) => name !== EXEC_SERVICE, {
      error: `another name: ${EXEC_SERVICE} is the remote command, see [exec]`,
    }),
  ),
  socketAddressSchema(1).check(z.meta({ example: 'ssh = "127.0.0.1:22"' })),
).check(
  z.refine((services) => Object.keys(services).length <= ADDRESSES_MAX_COUNT, {
    error: `at most ${ADDRESSES_MAX_COUNT} services`,
  }),
);

const detachSchema = z.record(
  z.string(),
  z.int().check(
    z.minimum(0),
    z.maximum(DETACH_MAX_MS),
    z.meta({ example: "ssh = 1800000" }),
  ),
);

const commandSchema = z.array(
  z.string().check(z.minLength(1), z.maxLength(1_024)),
).check(
  z.minLength(1),
  z.maxLength(64),
  z.refine(([program = "none"]) => PROGRAM_REGEXP.test(program), {
    error: "a program's name or whole path, then its words",
  }),
);

/** `agent.toml`: docs/OPERATIONS.md has it in words. */
export const agentConfigSchema = z.strictObject({
  device_id: z.optional(
    deviceIdSchema.check(z.meta({ example: "device_id = 7" })),
  ),
  name: z.optional(
    z.string().check(z.minLength(1), z.maxLength(DEVICE_NAME_MAX_CHARS)),
  ),
  manager: z.optional(managerSchema),
  gateway: z.optional(gatewaySchema),
  protocol: z._default(z.enum(["auto", "1", "2"]), "auto"),
  ca_file: z.optional(pathSchema),
  cert_file: z.optional(pathSchema),
  key_file: z.optional(pathSchema),
  renew: z.optional(z.boolean()),
  proxy: z.optional(proxySchema),
  state_dir: z.optional(pathSchema),
  status_socket: z.optional(pathSchema),
  log_format: z._default(z.enum(["text", "json"]), "text"),
  tunnels_max: z._default(
    z.int().check(z.minimum(1), z.maximum(TUNNELS_MAX_COUNT)),
    64,
  ),
  window_budget_bytes: z._default(
    z.int().check(z.minimum(MEBIBYTE), z.maximum(64 * 1024 * MEBIBYTE)),
    64 * MEBIBYTE,
  ),
  // The whole table: who names one service offers no other.
  services: z._default(servicesSchema, {
    ssh: { host: "127.0.0.1", port: 22 },
    vnc: { host: "127.0.0.1", port: 5900 },
    rdp: { host: "127.0.0.1", port: 3389 },
  }),
  detach_ms: z._default(detachSchema, {}),
  exec: z.prefault(
    z.strictObject({
      // The whole list, too; an empty one offers no remote command.
      allow: z._default(
        z.array(commandSchema).check(z.maxLength(COMMANDS_MAX_COUNT)),
        EXEC_ALLOW_DEFAULT.map((words) => [...words]),
      ),
      timeout_ms: z._default(
        z.int().check(z.minimum(1_000), z.maximum(EXEC_TIMEOUT_MAX_MS)),
        3_600_000,
      ),
      concurrent_max: z._default(
        z.int().check(z.minimum(1), z.maximum(EXEC_CONCURRENT_MAX_COUNT)),
        4,
      ),
    }),
    {},
  ),
  debug_insecure_tls: z._default(z.boolean(), false),
}).check(z.superRefine(checkTogether, { when: () => true }));

export type AgentConfigFile = z.output<typeof agentConfigSchema>;

/** Returns the origin of `text`, or undefined if it is more or less. */
export function parseManagerUrl(text: string): string | undefined {
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
