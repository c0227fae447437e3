import { existsSync } from "node:fs";
import type { StormOrders, StormReport } from "../scripts/storm_report.ts";
import type { Child } from "../test/support/child.ts";
import { cpuMs } from "../test/support/process_cpu.ts";
import { anonymousBytes } from "../test/support/process_memory.ts";
import { BINARY, Site } from "../test/support/site.ts";
import {
  type Bar,
  type BenchContext,
  type Figure,
  PRODUCT,
  type SuiteResult,
} from "./suite.ts";

/** A door of a gateway, and how its agents come. */
interface Door {
  readonly name: string;
  readonly counts: readonly number[];
  readonly atMostKb: number;
  readonly start: (site: Site) => Promise<{
    readonly child: Child;
    readonly url: string;
    readonly identity?: NonNullable<StormOrders["identity"]>;
  }>;
}

const AGENTS_PER_PROCESS = 2_000;
/** As fast as they can: the rate is one of the figures. */
const SPREAD_PER_AGENT_MS = 0.5;
const SETTLE_MS = 10_000;
const WATCH_MS = 20_000;
const LOOK_EVERY_MS = 100;
const PATIENCE_MS = 120_000;
const KILOBYTE = 1_000;

const DOORS: readonly Door[] = [
  { name: "plain", counts: [1_000, 10_000], atMostKb: 12, start: startPlain },
  { name: "mTLS", counts: [1_000, 5_000], atMostKb: 30, start: startTls },
];

/** Idle agents at one gateway: what each costs it. */
export async function fleet(
  { say, stack }: BenchContext,
): Promise<SuiteResult> {
  const figures: Figure[] = [];
  const bars: Bar[] = [];
  if (!existsSync(BINARY)) {
    say("fleet: left out: run ./scripts/build first");
    return { figures, bars };
  }
  for (const door of DOORS) {
    for (const count of door.counts) {
      const found = await measure(door, count, stack);
      const label = `${door.name} ${count}`;
      const units = {
        "KB/agent": "KB",
        "connects": "1/s",
        "CPU/connect": "ms",
        "CPU idle": "%",
      };
      for (const [figure, unit] of Object.entries(units)) {
        const value = found[figure] ?? NaN;
        figures.push({
          suite: "fleet",
          figure: `${label} ${figure}`,
          path: PRODUCT,
          value,
          unit,
        });
        say(`fleet: ${label} ${figure} ${value.toFixed(2)} ${unit}`);
      }
      bars.push({
        suite: "fleet",
        name: `${label}: for each agent`,
        value: found["KB/agent"] ?? NaN,
        atMost: door.atMostKb,
        unit: "KB",
      });
    }
  }
  return { figures, bars };
}

async function measure(
  door: Door,
  count: number,
  stack: AsyncDisposableStack,
): Promise<Record<string, number>> {
  await using site = stack.use(await Site.create());
  const { child: gateway, url, identity } = await door.start(site);
  await Bun.sleep(1_000);
  const emptyBytes = await anonymousBytes(gateway.pid);
  const startCpuMs = await cpuMs(gateway.pid);
  const children: Child[] = [];
  for (let firstId = 1; firstId <= count; firstId += AGENTS_PER_PROCESS) {
    const agentCount = Math.min(AGENTS_PER_PROCESS, count - firstId + 1);
    const orders: StormOrders = {
      url,
      firstId,
      agentCount,
      spreadMs: count * SPREAD_PER_AGENT_MS,
      ...identity && { identity },
    };
    const program = `${import.meta.dir}/../scripts/storm_agents.ts`;
    const argv = [process.execPath, program, JSON.stringify(orders)];
    children.push(site.start(argv));
  }
  await untilOnline(children, count);
  const busyCpuMs = await cpuMs(gateway.pid) - startCpuMs;
  await Bun.sleep(SETTLE_MS);
  const idleCpuMs = await cpuMs(gateway.pid);
  await Bun.sleep(WATCH_MS);
  const idleMs = await cpuMs(gateway.pid) - idleCpuMs;
  const fullBytes = await anonymousBytes(gateway.pid);
  return {
    "KB/agent": (fullBytes - emptyBytes) / count / KILOBYTE,
    "connects": densestSecond(children),
    "CPU/connect": busyCpuMs / count,
    "CPU idle": idleMs / WATCH_MS * 100,
  };
}

async function untilOnline(
  children: readonly Child[],
  count: number,
): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const online = children
      .reduce(
        (sum, child) => sum + (reports(child).at(-1)?.onlineCount ?? 0),
        0,
      );
    if (online >= count) return;
    if (performance.now() > endMs) {
      throw new Error(`Only ${online} of ${count} agents came`);
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

/** The most agents that were welcomed in one second. */
function densestSecond(children: readonly Child[]): number {
  const counts = new Map<number, number>();
  for (const { atSeconds, welcomeCount } of children.flatMap(reports)) {
    counts.set(atSeconds, (counts.get(atSeconds) ?? 0) + welcomeCount);
  }
  return Math.max(...counts.values());
}

function reports(child: Child): StormReport[] {
  return child.output().stdout.split("\n").slice(0, -1)
    .map((line) => JSON.parse(line) as StormReport);
}

/** A gateway that believes a proxy, which the agents say they come by. */
async function startPlain(site: Site): ReturnType<Door["start"]> {
  const config = await site.write(
    "gateway.toml",
    `listen = "127.0.0.1:0"
state_dir = "${site.dir}/gateway"
[behind_proxy]
trusted = ["127.0.0.1/32"]
`,
  );
  const child = site.start([BINARY, "gateway", "--config", config]);
  const line = await child.line(/gateway\.listen /);
  const port = /\blisten=\S*:(\d+)/.exec(line)?.[1];
  return { child, url: `ws://127.0.0.1:${port}/tunnel` };
}

async function startTls(site: Site): ReturnType<Door["start"]> {
  const tables = "[limits]\nlinks_per_address_max = 20000";
  const { child, url } = await site.gateway({ tables });
  const identity = await site.identity("computer", "uuid-fleet_1");
  return { child, url, identity };
}
