import { hostname } from "node:os";
import {
  type AgentConfig,
  agentConfig,
  agentConfigSchema,
} from "../agent/config.ts";
import { loadConfig } from "../runtime/config_file.ts";
import { type Options, textOption } from "./options.ts";

/** Where a package puts the agent's configuration. */
const DEFAULT_FILE = process.platform === "win32"
  ? `${
    process.env["PROGRAMDATA"] ?? "C:\\ProgramData"
  }\\migasfree-agent\\agent.toml`
  : "/etc/migasfree-agent/agent.toml";

/**
 * Reads the agent's configuration: `--config` or the default file, and the
 * environment over it.
 *
 * @throws {Fault} `configInvalid`.
 */
export async function loadAgentConfig(
  options: Options,
): Promise<{ config: AgentConfig; warnings: readonly string[] }> {
  const file = textOption(options, "config");
  const { config, warnings } = await loadConfig({
    schema: agentConfigSchema,
    file: file ?? DEFAULT_FILE,
    fileRequired: file !== undefined,
    env: process.env,
    envPrefix: "MIGASFREE_AGENT_",
    what: "agent configuration",
  });
  return { config: agentConfig(config, machineDefaults()), warnings };
}

function machineDefaults() {
  const name = hostname();
  if (process.platform !== "win32") return { name };
  const programData = process.env["PROGRAMDATA"] ?? "C:\\ProgramData";
  return {
    name,
    stateDir: `${programData}\\migasfree-agent`,
    statusSocket: "\\\\.\\pipe\\migasfree-agent",
  };
}
