import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { SocketAddress } from "../protocol/socket_address.ts";
import { type AgentConfigFile, parseManagerUrl } from "./config_schema.ts";
import type { Discovered } from "./discover.ts";
import type { ExecRules } from "./exec.ts";
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
