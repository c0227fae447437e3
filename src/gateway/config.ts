import * as z from "zod/mini";
import { heartbeatSchema, type HeartbeatValues } from "../protocol/control.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import { type IpRange, parseIpRange } from "../protocol/ip_range.ts";
import { DETACH_MAX_MS, OPEN_TIMEOUT_MS } from "../protocol/limits.ts";
import {
  type SocketAddress,
  socketAddressSchema,
} from "../protocol/socket_address.ts";
import { clusterSchema, redisSchema } from "./config_cluster.ts";
import {
  type EnrollConfig,
  enrollConfig,
  enrollSchema,
} from "./config_enroll.ts";
import type { GatewayLimits } from "./ports.ts";

/** Who speaks TLS at the gateway's door. */
export type GatewayDoor =
  /** This process does, and sees the certificates. */
  | {
    readonly tag: "tls";
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCaFile: string;
    readonly crlFiles: readonly string[];
  }
  /** A proxy does, and passes the subject on in a header. */
  | {
    readonly tag: "behindProxy";
    /** Who is believed; never empty. */
    readonly trusted: readonly IpRange[];
    readonly identityHeader: string;
    /** Who is an operator without that header; empty: nobody. */
    readonly internalOperators: readonly IpRange[];
  };

/** A gateway's configuration, checked, with every default filled in. */
export interface GatewayConfig {
  readonly listen: SocketAddress;
  /** Where agents and operators find this gateway, if it was told. */
  readonly publicUrl: string | undefined;
  readonly stateDir: string;
  readonly auditFile: string;
  readonly logFormat: "text" | "json";
  readonly metricsListen: SocketAddress;
  /** False: nobody asked for that port, so that it may be taken. */
  readonly isMetricsListenExplicit: boolean;
  readonly door: GatewayDoor;
  /** What several gateways share; undefined: this one is alone. */
  readonly redisUrl: string | undefined;
  /** Where the other gateways reach this one, `ws[s]://host:port`. */
  readonly advertise: string | undefined;
  /** Who signs for the other gateways; undefined: {@linkcode door} says. */
  readonly clusterCaFile: string | undefined;
  readonly limits: GatewayLimits;
  readonly heartbeat: HeartbeatValues;
  /** Where install.sh and releases lie, for whoever asks; undefined: nowhere. */
  readonly downloadsDir: string | undefined;
  readonly enroll: EnrollConfig;
  /** Whether agents and operators of migasfree 5 itself are served. */
  readonly isProtocol1Enabled: boolean;
  /** Whether who shows no certificate is let in as what it says it is. */
  readonly servesNobody: boolean;
  /** How long running tunnels get once the gateway is told to stop. */
  readonly drainGraceMs: number;
  /** What agents are told then; 0: as long as their number asks for. */
  readonly reconnectWithinMs: number;
}

const METRICS_LISTEN: SocketAddress = { host: "127.0.0.1", port: 9464 };
const COUNT_MAX = 10_000_000;
const FILES_MAX_COUNT = 64;
const RANGES_MAX_COUNT = 256;
/** A person waits no longer; nor does a service manager. */
const DURATION_MAX_MS = 3_600_000;

const TLS_EXAMPLE = `[tls]
cert_file = "gateway.pem"
key_file = "gateway.key"
client_ca_file = "ca.pem"`;

const pathSchema = z.string().check(
  z.minLength(1, { error: "a path" }),
  z.maxLength(4_096),
);
const durationSchema = z.int().check(z.minimum(0), z.maximum(DURATION_MAX_MS));
const detachSchema = z.int().check(z.minimum(0), z.maximum(DETACH_MAX_MS));
const countSchema = z.int().check(z.minimum(1), z.maximum(COUNT_MAX));

const publicUrlSchema = z.string().check(
  z.refine((text) => parseGatewayUrl(text, false) !== undefined, {
    error: "a URL such as wss://gw.example.org:8443/tunnel",
  }),
);

const tlsSchema = z.strictObject({
  cert_file: pathSchema.check(z.meta({ example: 'cert_file = "gateway.pem"' })),
  key_file: pathSchema.check(z.meta({ example: 'key_file = "gateway.key"' })),
  client_ca_file: pathSchema.check(
    z.meta({ example: 'client_ca_file = "ca.pem"' }),
  ),
  crl_files: z._default(
    z.array(pathSchema).check(z.maxLength(FILES_MAX_COUNT)),
    [],
  ),
});

const rangeSchema = z.pipe(
  z.string(),
  z.transform((text, context) => {
    const range = parseIpRange(text);
    if (range) return range;
    const message = "addresses such as 127.0.0.1/32 or 10.0.0.0/8";
    context.issues.push({ code: "custom", message, input: text });
    return z.NEVER;
  }),
);

const behindProxySchema = z.strictObject({
  trusted: z.array(rangeSchema).check(
    z.minLength(1),
    z.maxLength(RANGES_MAX_COUNT),
    z.meta({ example: 'trusted = ["127.0.0.1/32"]' }),
  ),
  // A field name is a token (RFC 9110 §5.6.2); these are what is in use.
  identity_header: z._default(
    z.string().check(z.regex(/^[A-Za-z0-9-]{1,64}$/, {
      error: "the name of a header",
    })),
    "X-SSL-Client-CN",
  ),
  internal_operators: z._default(
    z.array(rangeSchema).check(z.maxLength(RANGES_MAX_COUNT)),
    [],
  ),
});

const limitsSchema = z.strictObject({
  tunnels_per_operator_max: z._default(countSchema, 64),
  tunnels_per_device_max: z._default(
    countSchema.check(z.maximum(65_536)),
    64,
  ),
  tunnels_per_address_max: z._default(countSchema, 256),
  links_per_address_max: z._default(countSchema, 4_096),
  links_max: z._default(countSchema, 50_000),
  detach_ms: z._default(detachSchema, 60_000),
  detach_max_ms: z._default(detachSchema, DETACH_MAX_MS),
  open_timeout_ms: z._default(
    z.int().check(z.minimum(100), z.maximum(DURATION_MAX_MS)),
    OPEN_TIMEOUT_MS,
  ),
});

const { interval_ms, timeout_ms } = heartbeatSchema.shape;

/** `gateway.toml`: docs/OPERATIONS.md has it in words. */
export const gatewayConfigSchema = z.strictObject({
  listen: z._default(socketAddressSchema(0), { host: "0.0.0.0", port: 8443 }),
  public_url: z.optional(publicUrlSchema),
  state_dir: z._default(pathSchema, "/var/lib/migasfree-gateway"),
  audit_file: z.optional(pathSchema),
  log_format: z._default(z.enum(["text", "json"]), "text"),
  metrics_listen: z.optional(socketAddressSchema(0)),
  tls: z.optional(tlsSchema),
  behind_proxy: z.optional(behindProxySchema),
  redis: z.optional(redisSchema),
  cluster: z.prefault(clusterSchema, {}),
  limits: z.prefault(limitsSchema, {}),
  heartbeat: z.prefault(
    z.strictObject({
      interval_ms: z._default(interval_ms, 20_000),
      timeout_ms: z._default(timeout_ms, 42_000),
    }),
    {},
  ),
  protocol1: z.prefault(
    z.strictObject({
      enabled: z._default(z.boolean(), true),
    }),
    {},
  ),
  insecure: z.prefault(
    z.strictObject({
      serve_without_certificates: z._default(z.boolean(), false),
    }),
    {},
  ),
  drain: z.prefault(
    z.strictObject({
      grace_ms: z._default(durationSchema, 0),
      reconnect_within_ms: z._default(durationSchema, 0),
    }),
    {},
  ),
  downloads: z.optional(z.strictObject({
    dir: pathSchema.check(z.meta({ example: 'dir = "/srv/migasfree-agent"' })),
  })),
  enroll: z.prefault(enrollSchema, {}),
}).check(z.superRefine(checkTogether, { when: () => true }));

type GatewayConfigFile = z.output<typeof gatewayConfigSchema>;

/** Fills in what depends on other keys. */
export function gatewayConfig(file: GatewayConfigFile): GatewayConfig {
  const { limits, metrics_listen: metricsListen, public_url: publicUrl } = file;
  return {
    listen: file.listen,
    publicUrl: publicUrl === undefined
      ? undefined
      : parseGatewayUrl(publicUrl, false),
    stateDir: file.state_dir,
    auditFile: file.audit_file ??
      `${file.state_dir.replace(/\/+$/, "")}/audit.jsonl`,
    logFormat: file.log_format,
    metricsListen: metricsListen ?? METRICS_LISTEN,
    isMetricsListenExplicit: metricsListen !== undefined,
    door: doorOf(file),
    redisUrl: file.redis?.url,
    advertise: file.cluster.advertise,
    clusterCaFile: file.cluster.ca_file,
    limits: {
      tunnelsPerOperatorMax: limits.tunnels_per_operator_max,
      tunnelsPerDeviceMax: limits.tunnels_per_device_max,
      tunnelsPerAddressMax: limits.tunnels_per_address_max,
      linksPerAddressMax: limits.links_per_address_max,
      linksMax: limits.links_max,
      openTimeoutMs: limits.open_timeout_ms,
      detachMs: limits.detach_ms,
      detachMaxMs: limits.detach_max_ms,
    },
    heartbeat: file.heartbeat,
    isProtocol1Enabled: file.protocol1.enabled,
    servesNobody: file.insecure.serve_without_certificates,
    downloadsDir: file.downloads?.dir,
    enroll: enrollConfig(file.enroll),
    drainGraceMs: file.drain.grace_ms,
    reconnectWithinMs: file.drain.reconnect_within_ms,
  };
}

function doorOf(file: GatewayConfigFile): GatewayDoor {
  const { tls, behind_proxy: behindProxy } = file;
  if (tls) {
    return {
      tag: "tls",
      certFile: tls.cert_file,
      keyFile: tls.key_file,
      clientCaFile: tls.client_ca_file,
      crlFiles: tls.crl_files,
    };
  }
  if (behindProxy) {
    return {
      tag: "behindProxy",
      trusted: behindProxy.trusted,
      identityHeader: behindProxy.identity_header,
      internalOperators: behindProxy.internal_operators,
    };
  }
  throw new TypeError("Cannot use a configuration that was not checked");
}

/** As in the agent's: it runs even where a single key is wrong. */
function checkTogether(
  file: Readonly<Record<string, unknown>>,
  context: z.core.$RefinementCtx,
): void {
  const { behind_proxy: behindProxy, heartbeat, tls } = file;
  function expected(path: string[], message: string, hint: string): void {
    const params = { hint };
    context.addIssue({ code: "custom", path, message, params });
  }
  if (tls === undefined && behindProxy === undefined) {
    expected(
      ["tls"],
      "this table, or [behind_proxy], to say who speaks TLS",
      `Write for example: ${TLS_EXAMPLE.replaceAll("\n", ", ")}`,
    );
  }
  if (tls !== undefined && behindProxy !== undefined) {
    expected(
      ["behind_proxy"],
      "no such table beside [tls]",
      "Remove [tls], or [behind_proxy]: only one of them speaks TLS",
    );
  }
  const beat = Object(heartbeat) as Record<string, unknown>;
  const { interval_ms: intervalMs, timeout_ms: timeoutMs } = beat;
  const isTooShort = typeof intervalMs === "number" &&
    typeof timeoutMs === "number" && timeoutMs <= intervalMs;
  if (isTooShort) {
    expected(
      ["heartbeat", "timeout_ms"],
      "more than heartbeat.interval_ms",
      "Write a timeout_ms of at least twice interval_ms",
    );
  }
}
