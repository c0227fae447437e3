import { plainText } from "../base/text.ts";
import { Fault, FAULTS } from "../protocol/fault.ts";
import { askStatus } from "../runtime/ask_status.ts";
import { readAgentSettings } from "./agent_config.ts";
import { type AgentStatus, agentStatusSchema } from "./agent_status_schema.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { table } from "./table.ts";

const ASK_TIMEOUT_MS = 3_000;

/** `status [--json]`: exits with 0 only if the agent is online. */
export async function runStatus(
  options: Options,
  output: Output,
): Promise<number> {
  const { statusSocket } = await readAgentSettings(options);
  const status = await agentStatus(statusSocket);
  if (options["json"]) output.answer(JSON.stringify(status));
  else for (const line of linesOf(status)) output.answer(line);
  return status.link === "online" ? 0 : FAULTS.deviceOffline.exitCode;
}

/** Asks the agent on this machine. @throws {Fault} If it does not answer. */
export async function agentStatus(socketPath: string): Promise<AgentStatus> {
  const answer = await askStatus(socketPath, ASK_TIMEOUT_MS);
  const parsed = agentStatusSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Fault("messageInvalid", "Cannot read what the agent answered", {
    hint: "Restart the agent: it may be another version than this program",
  });
}

function deviceOf({ device_id: id, name }: AgentStatus): string {
  return id === null
    ? "not known yet: migasfree is asked again every few minutes"
    : `${id} ${plainText(name ?? "", 128)}`.trim();
}

function linesOf(status: AgentStatus): string[] {
  const { gateway, last_fault: fault, link, protocol, services, tunnels } =
    status;
  const lines = table([
    ["agent", `${status.version} (${status.commit}), pid ${status.pid}`],
    ["device", deviceOf(status)],
    ["link", `${link} since ${status.since}`],
    ["gateway", gateway ?? "as the manager says"],
    ...(protocol === null ? [] : [["protocol", String(protocol)]]),
    ...(fault ? [["last fault", plainText(fault.message, 200)]] : []),
  ]);
  lines.push("", "services");
  lines.push(...table(
    services.map(({ name, address, state }) => [`  ${name}`, address, state]),
  ));
  lines.push("", tunnels.length === 0 ? "no tunnels" : "tunnels");
  lines.push(...table(
    tunnels.map(({ detached_since: lost, id, service, operator, since }) => [
      `  ${id.slice(0, 8)}`,
      service,
      plainText(operator, 64),
      `since ${since}`,
      lost === null ? "" : `no link since ${lost}, coming back`,
    ]),
  ));
  const { expired, replayed_bytes: replayedBytes, resumed } = status.detaches;
  const away = tunnels.filter((tunnel) => tunnel.detached_since !== null);
  const lostCount = resumed + expired + away.length;
  lines.push(
    "",
    `links of tunnels lost: ${lostCount}, came back: ${resumed}, ` +
      `sent again: ${replayedBytes} bytes`,
  );
  return lines;
}
