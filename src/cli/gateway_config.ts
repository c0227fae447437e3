import { existsSync } from "node:fs";
import {
  type GatewayConfig,
  gatewayConfig,
  gatewayConfigSchema,
} from "../gateway/config.ts";
import { loadConfig } from "../runtime/config_file.ts";
import { type Options, textOption } from "./options.ts";
import { relayEnvironment } from "./relay_environment.ts";

/** Where a package puts the gateway's configuration. */
const DEFAULT_FILE = "/etc/migasfree-agent/gateway.toml";

/**
 * Reads a gateway's configuration: `--config` or the default file, and the
 * environment over it.
 *
 * @throws {Fault} `configInvalid`.
 */
export async function loadGatewayConfig(
  options: Options,
): Promise<{ config: GatewayConfig; warnings: readonly string[] }> {
  const file = textOption(options, "config");
  const isFileThere = file !== undefined || existsSync(DEFAULT_FILE);
  const relay = relayEnvironment(process.env, isFileThere);
  const { config, warnings } = await loadConfig({
    schema: gatewayConfigSchema,
    file: file ?? DEFAULT_FILE,
    fileRequired: file !== undefined,
    env: process.env,
    envDefaults: relay.defaults,
    envPrefix: "MIGASFREE_GATEWAY_",
    what: "gateway configuration",
  });
  return {
    config: gatewayConfig(config),
    warnings: [...warnings, ...relay.warnings],
  };
}
