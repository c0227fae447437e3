import type { AgentConfig } from "../agent/config.ts";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { type AgentSettingsFile, readAgentSettings } from "./agent_config.ts";
import { checkCertificate } from "./doctor_certificate.ts";
import { checkGateway } from "./doctor_gateway.ts";
import { askMigasfree } from "./doctor_migasfree.ts";
import { checkServices } from "./doctor_services.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { agentStatus } from "./status_command.ts";
import { table } from "./table.ts";

/** One thing that was looked at; the keys are those of `--json`. */
export interface Finding {
  readonly check: string;
  readonly result: "PASS" | "WARN" | "FAIL";
  /** What was found. */
  readonly detail: string;
  /** What to do, where something is to be done. */
  readonly hint?: string | undefined;
}

const DETAIL_MAX_CHARS = 300;

/**
 * `doctor [--json]`: looks at all that the agent needs.
 *
 * Exits with 0 if nothing failed, 1 if something did.
 */
export async function runDoctor(
  options: Options,
  output: Output,
): Promise<number> {
  const findings = await examine(options);
  const failed = findings.some(({ result }) => result === "FAIL");
  if (options["json"]) {
    output.answer(JSON.stringify(findings));
    return failed ? 1 : 0;
  }
  const lines = table(findings.map(({ check, result, detail }) => [
    result,
    check,
    plainText(detail, DETAIL_MAX_CHARS),
  ]));
  findings.forEach(({ hint, result }, index) => {
    output.answer(lines[index] ?? "");
    if (result !== "PASS" && hint) {
      output.answer(`      -> ${plainText(hint, DETAIL_MAX_CHARS)}`);
    }
  });
  return failed ? 1 : 0;
}

/** Turns what a check throws into a finding. */
export async function finding(
  check: string,
  look: () => Promise<string | Finding>,
): Promise<Finding> {
  try {
    const found = await look();
    return typeof found === "string"
      ? { check, result: "PASS", detail: found }
      : found;
  } catch (error) {
    const { message, hint } = Fault.from(error);
    return { check, result: "FAIL", detail: message, hint };
  }
}

async function examine(options: Options): Promise<Finding[]> {
  let settings: AgentSettingsFile | undefined;
  const unreadable = await finding("configuration", async () => {
    settings = await readAgentSettings(options);
    return "";
  });
  if (!settings) return [unreadable];
  const { statusSocket } = settings;
  const { config, findings } = await askMigasfree(settings);
  if (!config) return [...findings, await checkAgent(statusSocket)];
  return [
    configuration(config, settings.warnings),
    ...findings,
    ...await checkCertificate(config),
    ...await checkGateway(config),
    await checkAgent(statusSocket),
    ...await checkServices(config.services),
  ];
}

function configuration(
  { deviceId, name }: AgentConfig,
  [warning]: readonly string[],
): Finding {
  const check = "configuration";
  return warning === undefined
    ? { check, result: "PASS", detail: `device ${deviceId}, ${name}` }
    : { check, result: "WARN", detail: warning };
}

async function checkAgent(statusSocket: string): Promise<Finding> {
  const check = "agent";
  return await finding(check, async () => {
    const { last_fault: fault, link, pid, since } = await agentStatus(
      statusSocket,
    );
    if (link === "online") return `online since ${since}, pid ${pid}`;
    return {
      check,
      result: "FAIL",
      detail: `${link} since ${since}${fault ? `: ${fault.message}` : ""}`,
      hint: "Mend what failed above; the agent tries again by itself",
    };
  });
}
