import { hostname } from "node:os";
import {
  type AgentConfig,
  agentConfig,
  type AgentDefaults,
  agentPlaces,
} from "../agent/config.ts";
import {
  type AgentConfigFile,
  agentConfigSchema,
} from "../agent/config_schema.ts";
import type { Discovered, Wanted } from "../agent/discover.ts";
import { Fault } from "../protocol/fault.ts";
import { loadConfig } from "../runtime/config_file.ts";
import { type Options, textOption } from "./options.ts";

/** Where a package puts the agent's configuration. */
const DEFAULT_FILE = process.platform === "win32"
  ? `${
    process.env["PROGRAMDATA"] ?? "C:\\ProgramData"
  }\\migasfree-agent\\agent.toml`
  : "/etc/migasfree-agent/agent.toml";

/** What the file and the environment say; migasfree may know the rest. */
export interface AgentSettingsFile {
  readonly file: AgentConfigFile;
  /** Where the file is, or would be. */
  readonly path: string;
  readonly statusSocket: string;
  readonly warnings: readonly string[];
}

/** A configuration that an agent can run with, and how it came to be. */
export interface CompleteAgentConfig {
  readonly config: AgentConfig;
  /** Undefined if migasfree was not asked, or did not tell. */
  readonly found: Discovered | undefined;
  /** Why migasfree did not tell what an agent can do without. */
  readonly fault: Fault | undefined;
}

/**
 * Reads what is written: `--config` or the default file, and the environment
 * over it.
 *
 * @param mayLackFile Whether a file that is named need not be there yet.
 * @throws {Fault} `configInvalid`.
 */
export async function readAgentSettings(
  options: Options,
  { mayLackFile = false }: { readonly mayLackFile?: boolean } = {},
): Promise<AgentSettingsFile> {
  const given = textOption(options, "config");
  const path = given ?? DEFAULT_FILE;
  const { config: file, warnings } = await loadConfig({
    schema: agentConfigSchema,
    file: path,
    fileRequired: given !== undefined && !mayLackFile,
    env: process.env,
    envPrefix: "MIGASFREE_AGENT_",
    what: "agent configuration",
  });
  const { statusSocket } = agentPlaces(file, machineDefaults());
  return { file, path, statusSocket, warnings };
}

/**
 * Asks migasfree for what is not written, and puts both together. What is
 * written wins; if nothing is missing, nobody is asked.
 *
 * @throws {Fault} `programMissing` if migasfree is not installed and an agent
 * cannot do without what it knows; else why it did not tell.
 * @throws `signal.reason` once aborted.
 */
export async function completeAgentConfig(
  { file, path }: AgentSettingsFile,
  signal: AbortSignal,
): Promise<CompleteAgentConfig> {
  const wanted = wantedBy(file);
  const written = agentConfig(file, machineDefaults());
  if (written && !wanted.conf) {
    return { config: written, found: undefined, fault: undefined };
  }
  const { discover } = await import("../agent/discover.ts");
  const { runCommand } = await import("../runtime/run_command.ts");
  const ports = { runCommand, hasSudo: process.platform === "linux" };
  try {
    const found = await discover(wanted, ports, signal);
    const config = agentConfig(file, machineDefaults(), found);
    if (config) return { config, found, fault: undefined };
    throw incomplete(file, path);
  } catch (error) {
    signal.throwIfAborted();
    const fault = Fault.from(error);
    const isMissing = fault.code === "programMissing";
    if (written) {
      // A site without migasfree is nothing to speak of.
      const told = isMissing ? undefined : fault;
      return { config: written, found: undefined, fault: told };
    }
    throw isMissing ? incomplete(file, path) : fault;
  }
}

/** Returns what the file leaves for migasfree to tell. */
export function wantedBy(file: AgentConfigFile): Wanted {
  const { ca_file: caFile, cert_file: certFile, gateway, manager } = file;
  const hasWay = gateway !== undefined || manager !== undefined;
  // Without TLS there is nothing to show, or to check.
  const hasFiles = caFile !== undefined && certFile !== undefined ||
    gateway?.startsWith("ws:") === true;
  return {
    deviceId: file.device_id === undefined,
    conf: !hasWay || !hasFiles || file.name === undefined,
    mayBePlain: file.debug_insecure_tls,
  };
}

function incomplete(file: AgentConfigFile, path: string): Fault {
  const lines = new Map<string, string>();
  if (file.device_id === undefined) lines.set("device_id", "device_id = 7");
  if (file.gateway === undefined && file.manager === undefined) {
    lines.set("gateway", 'gateway = "wss://mf.example.org/tunnel"');
  }
  const keys = [...lines.keys()].join(" and ");
  return new Fault(
    "programMissing",
    `Cannot run without ${keys}: ${path} does not say it, ` +
      "and migasfree is not installed",
    {
      hint: "Install migasfree-client, or write into that file: " +
        [...lines.values()].join(", "),
    },
  );
}

/** What this program knows of its machine before it reads anything. */
export function machineDefaults(): AgentDefaults {
  const name = hostname();
  if (process.platform !== "win32") return { name };
  const programData = process.env["PROGRAMDATA"] ?? "C:\\ProgramData";
  return {
    name,
    stateDir: `${programData}\\migasfree-agent`,
    statusSocket: "\\\\.\\pipe\\migasfree-agent",
  };
}
