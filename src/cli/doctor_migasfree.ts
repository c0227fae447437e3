import type { AgentConfig } from "../agent/config.ts";
import type { Discovered } from "../agent/discover.ts";
import { Fault } from "../protocol/fault.ts";
import { type AgentSettingsFile, completeAgentConfig } from "./agent_config.ts";
import { type Finding, finding } from "./doctor_command.ts";

const CHECK = "migasfree";

/**
 * Asks migasfree for what is not written, as the agent does when it starts.
 *
 * Returns no finding where nobody had to be asked, or nobody was there, and no
 * configuration where an agent would wait or end.
 */
export async function askMigasfree(
  settings: AgentSettingsFile,
): Promise<{ config: AgentConfig | undefined; findings: Finding[] }> {
  let config: AgentConfig | undefined;
  const found = await finding(CHECK, async () => {
    const { signal } = new AbortController();
    try {
      const complete = await completeAgentConfig(settings, signal);
      config = complete.config;
      if (complete.fault) return notTold(complete.fault, "WARN");
      return complete.found ? told(complete.found) : "";
    } catch (error) {
      return notTold(Fault.from(error), "FAIL");
    }
  });
  return { config, findings: found.detail === "" ? [] : [found] };
}

/** Here, unlike in a log, what migasfree said itself may vary. */
function notTold(
  { cause, hint, message }: Fault,
  result: Finding["result"],
): Finding {
  const said = cause instanceof Error && !(cause instanceof Fault)
    ? ` (${cause.message})`
    : "";
  return { check: CHECK, result, detail: message + said, hint };
}

function told({ conf, deviceId }: Discovered): string | Finding {
  const [warning] = conf?.warnings ?? [];
  if (warning !== undefined) {
    const hint = "Set `manager` in agent.toml, or correct /etc/migasfree.conf";
    return { check: CHECK, result: "WARN", detail: warning, hint };
  }
  const said = [
    ...(deviceId === undefined ? [] : [`device ${deviceId}`]),
    ...(conf?.name === undefined ? [] : [conf.name]),
    ...(conf === undefined ? [] : [`server ${conf.manager}`]),
    ...(conf?.caFile === undefined ? [] : [`CA ${conf.caFile}`]),
  ];
  return `it says ${said.join(", ")}`;
}
