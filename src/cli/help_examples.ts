import type { Command } from "commander";

/** What people type, by command, each with what it does where that helps. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  run: [
    "migasfree-agent run --config /etc/migasfree-agent/agent.toml",
    "MIGASFREE_AGENT_DEVICE_ID=7 migasfree-agent run",
  ],
  "hand-identity": [
    "migasfree-agent hand-identity /run/migasfree-agent/identity     as root",
  ],
  "exec-helper": [
    "migasfree-agent exec-helper --config /etc/migasfree-agent/agent.toml",
  ],
  status: ["migasfree-agent status", "migasfree-agent status --json"],
  doctor: [
    "migasfree-agent doctor",
    "migasfree-agent doctor --config agent.toml --json",
  ],
  gateway: [
    "migasfree-agent gateway --config gateway.toml",
    "migasfree-agent gateway --log-format json",
  ],
  "gateway release": [
    "migasfree-agent gateway release 7     its computer was installed anew",
  ],
  "service install": [
    "sudo migasfree-agent service install",
    "migasfree-agent service install     on Windows, as an administrator",
  ],
  "service uninstall": [
    "sudo migasfree-agent service uninstall",
    "sudo migasfree-agent service uninstall --purge",
  ],
  "service status": [
    "migasfree-agent service status",
    "migasfree-agent service status --json | jq .running",
  ],
  "service start": ["sudo migasfree-agent service start"],
  "service stop": ["sudo migasfree-agent service stop"],
  vnc: [
    "migasfree-agent vnc aula-7",
    'migasfree-agent vnc 7 --viewer "vncviewer {host}::{port}"',
  ],
  rdp: [
    "migasfree-agent rdp ana@aula-7",
    'migasfree-agent rdp ana@7 --viewer "rdesktop -u {user} {host}:{port}"',
  ],
  devices: [
    "migasfree-agent devices",
    "migasfree-agent devices --json | jq '.[] | select(.online).name'",
    "migasfree-agent devices --gateway mf.example.org --cert me.pem --key me.key",
  ],
  pki: [
    "migasfree-agent pki init ca --host gw.example.org",
    "migasfree-agent pki computer ca aula-7",
    "migasfree-agent pki operator ca maria",
  ],
  enroll: [
    "migasfree-agent enroll --gateway gw.example.org --token mfe1.eyJ…",
    "migasfree-agent enroll --gateway gw.example.org --token-file - --device 7",
  ],
  "pki token": [
    "migasfree-agent pki token ca --device 7",
    "migasfree-agent pki token ca --ttl 2d --gateway gw.example.org",
  ],
  "pki pending": ["migasfree-agent pki pending ca"],
  "pki approve": ["migasfree-agent pki approve ca 5f1c0a9be2d47763"],
  "pki init": [
    "migasfree-agent pki init ca --host gw.example.org --host 192.0.2.7",
  ],
  "pki computer": ["migasfree-agent pki computer ca aula-7"],
  "pki operator": ["migasfree-agent pki operator ca maria --days 90"],
  "pki crl": ["migasfree-agent pki crl ca     once a month, by cron say"],
  "pki revoke": [
    "migasfree-agent pki revoke ca maria",
    "migasfree-agent pki revoke ca aula-7 --role computer",
  ],
  version: ["migasfree-agent version --json"],
};

/** Puts examples below the help of the commands that bring none of their own. */
export function addHelpExamples(program: Command): void {
  for (const [path, lines] of Object.entries(EXAMPLES)) {
    const command = path.split(" ").reduce<Command | undefined>(
      (found, name) => found?.commands.find((it) => it.name() === name),
      program,
    );
    const shown = lines.map((line) => `  ${line}\n`).join("");
    command?.addHelpText("after", `\nExamples:\n${shown}`.trimEnd());
  }
}
