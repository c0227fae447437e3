/**
 * Kills the gateway of a large fleet, starts it anew, and looks how the fleet
 * comes back: how fast, how densely, and what that costs the gateway.
 */

import type { Child } from "../test/support/child.ts";
import { freePort } from "../test/support/free_port.ts";
import { cpuMs } from "../test/support/process_cpu.ts";
import { residentBytes } from "../test/support/process_memory.ts";
import { BINARY, Site } from "../test/support/site.ts";
import { EXIT_USAGE, runScript } from "./parse_flags.ts";
import type { StormOrders, StormReport } from "./storm_report.ts";

const HELP = `Usage: scripts/storm [--agents N] [--seconds N] [--help]

Starts N agents (10000) in a few processes, over plain WebSockets to a gateway
behind "a proxy", kills the gateway with SIGKILL, starts it again after so many
seconds (10), and waits until all agents are back. Prints how long that took
(limit 60 s), the densest second, and the gateway's memory and CPU time.

Exit status: 0, 1 if somebody was late or dialed before its time, ${EXIT_USAGE} usage.
`;

const BACK_MAX_MS = 60_000;
const PATIENCE_MS = 300_000;
const AGENTS_PER_PROCESS = 2_000;
/** The first dials: not what is measured. */
const FIRST_PER_SECOND = 400;
const LOOK_EVERY_MS = 100;
const MEBIBYTE = 1024 * 1024;

const OPTIONS = {
  agents: { type: "string", default: "10000" },
  seconds: { type: "string", default: "10" },
  help: { type: "boolean", default: false },
} as const;

function main(argv: readonly string[]): Promise<number> {
  return runScript(argv, OPTIONS, HELP, (values) => {
    const [agents, seconds] = [Number(values.agents), Number(values.seconds)];
    return agents > 0 && seconds >= 0 ? storm(agents, seconds) : undefined;
  });
}

/** The agents of all processes, as their reports have them. */
class Fleet {
  readonly #children: readonly Child[];
  /** Of the last whole reports. */
  readonly #online: number[];
  readonly #welcomes = new Map<number, number>();
  readonly #dials = new Map<number, number>();
  earlyCount = 0;

  constructor(children: readonly Child[]) {
    this.#children = children;
    this.#online = children.map(() => 0);
    for (const [index, child] of children.entries()) this.#follow(index, child);
  }

  get onlineCount(): number {
    return this.#online.reduce((sum, count) => sum + count, 0);
  }

  /** The most in one second since `fromSeconds`, of dials and of welcomes. */
  peaks(fromSeconds: number): { dials: number; welcomes: number } {
    const most = (counts: ReadonlyMap<number, number>) =>
      Math.max(
        0,
        ...[...counts].filter(([at]) => at > fromSeconds)
          .map(([, count]) => count),
      );
    return { dials: most(this.#dials), welcomes: most(this.#welcomes) };
  }

  #follow(index: number, child: Child): void {
    let readCount = 0;
    setInterval(() => {
      const lines = child.output().stdout.split("\n").slice(0, -1);
      for (const line of lines.slice(readCount)) this.#take(index, line);
      readCount = lines.length;
    }, LOOK_EVERY_MS).unref();
  }

  #take(index: number, line: string): void {
    const report = JSON.parse(line) as StormReport;
    this.#online[index] = report.onlineCount;
    this.earlyCount += report.earlyCount;
    const { atSeconds, dialCount, welcomeCount } = report;
    this.#dials.set(atSeconds, (this.#dials.get(atSeconds) ?? 0) + dialCount);
    const welcomes = this.#welcomes.get(atSeconds) ?? 0;
    this.#welcomes.set(atSeconds, welcomes + welcomeCount);
  }

  async until(what: string, holds: (count: number) => boolean): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!holds(this.onlineCount)) {
      if (performance.now() > endMs) {
        const said = this.#children[0]?.output().stderr.slice(-2_000);
        throw new Error(`${what}: only ${this.onlineCount}\n${said}`);
      }
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }
}

async function storm(agentCount: number, seconds: number): Promise<number> {
  await using site = await Site.create();
  const port = await freePort();
  const config = await site.write(
    "gateway.toml",
    `listen = "127.0.0.1:${port}"
state_dir = "${site.dir}/gateway"
metrics_listen = "127.0.0.1:0"
[behind_proxy]
trusted = ["127.0.0.1/32"]
`,
  );
  const startGateway = async (): Promise<Child> => {
    const child = site.start([BINARY, "gateway", "--config", config]);
    await child.line(/gateway\.listen /);
    return child;
  };
  let gateway = await startGateway();
  const fleet = new Fleet(startAgents(site, agentCount, port));
  const startMs = performance.now();
  await fleet.until("the first time", (count) => count >= agentCount);
  print(
    `${agentCount} agents online after ${text(performance.now() - startMs)}`,
  );
  await printCost("gateway with all of them, idle", gateway);

  gateway.kill("SIGKILL");
  await gateway.exited;
  await Bun.sleep(seconds * 1_000);
  gateway = await startGateway();
  const fromSeconds = Math.floor(Date.now() / 1_000);
  const backMs = await measureReturn(fleet, agentCount);
  const { dials, welcomes } = fleet.peaks(fromSeconds);
  print(
    `gateway gone for ${seconds} s: half back in ${
      text(backMs.half)
    }, all in ` +
      `${text(backMs.all)} (limit ${text(BACK_MAX_MS)})`,
  );
  print(
    `densest second: ${dials} handshakes begun, ${welcomes} agents welcomed`,
  );
  await printCost("gateway once all are back", gateway);
  print(`dials before the backoff's time: ${fleet.earlyCount}`);
  return backMs.all <= BACK_MAX_MS && fleet.earlyCount === 0 ? 0 : 1;
}

function startAgents(site: Site, agentCount: number, port: number): Child[] {
  const spreadMs = 1_000 * agentCount / FIRST_PER_SECOND;
  const children: Child[] = [];
  for (let firstId = 1; firstId <= agentCount; firstId += AGENTS_PER_PROCESS) {
    const left = agentCount - firstId + 1;
    const orders: StormOrders = {
      url: `ws://127.0.0.1:${port}/tunnel`,
      firstId,
      agentCount: Math.min(AGENTS_PER_PROCESS, left),
      spreadMs,
    };
    const program = `${import.meta.dir}/storm_agents.ts`;
    children.push(site.start(["bun", program, JSON.stringify(orders)]));
  }
  return children;
}

async function measureReturn(
  fleet: Fleet,
  agentCount: number,
): Promise<{ half: number; all: number }> {
  const startMs = performance.now();
  await fleet.until("half", (count) => count >= agentCount / 2);
  const half = performance.now() - startMs;
  await fleet.until("all", (count) => count >= agentCount);
  return { half, all: performance.now() - startMs };
}

async function printCost(what: string, gateway: Child): Promise<void> {
  const memory = Math.round(await residentBytes(gateway.pid) / MEBIBYTE);
  const cpu = text(await cpuMs(gateway.pid));
  print(`${what}: ${memory} MiB resident, ${cpu} of CPU so far`);
}

function text(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
