/**
 * Measures what follows an outage, with heartbeats as they are shipped, and
 * prints one line for each kind:
 *
 * - the gateway is killed and comes back at once, and after `--seconds`;
 * - the network between agent and gateway swallows everything;
 * - the agent's computer sleeps, and wakes where its link is dead.
 *
 * `scripts/outage [--seconds N] [--agents N]`, default 120 and 20. Exits with
 * 1 if anything took longer than promised. Networks are made by root alone.
 */

import { parseArgs } from "node:util";
import type { Child } from "../test/support/child.ts";
import { freePort } from "../test/support/free_port.ts";
import {
  GATEWAY_ADDRESS,
  Network,
  networkMissing,
} from "../test/support/network.ts";
import { nthLine } from "../test/support/nth_line.ts";
import { Site } from "../test/support/site.ts";

const BACK_MAX_MS = 5_000;
const SILENT_MAX_MS = 45_000;
const AWAKE_MAX_MS = 5_000;
const SLEEP_MS = 30_000;
/** Longer than anything that is promised. */
const PATIENCE_MS = 120_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    agents: { type: "string", default: "20" },
  },
});

async function measure(seconds: number, agentCount: number): Promise<number> {
  const isBackInTime = await measureReturns(seconds, agentCount);
  const missing = networkMissing();
  if (missing !== undefined) print(`No network is cut: ${missing}`);
  const isNoticed = missing !== undefined || await measureSilence();
  const isAwake = missing !== undefined || await measureSleep();
  return isBackInTime && isNoticed && isAwake ? 0 : 1;
}

/** The gateway is killed, and comes back on the same port. */
async function measureReturns(
  seconds: number,
  agentCount: number,
): Promise<boolean> {
  await using site = await Site.create();
  const port = await freePort();
  let gateway = await site.gateway({ port });
  const { url } = gateway;
  for (let id = 1; id <= agentCount; id++) {
    await site.agent({ id, url, services: {} });
  }
  let isInTime = true;
  for (const goneMs of [0, seconds * 1_000]) {
    gateway.child.kill("SIGKILL");
    await gateway.child.exited;
    await Bun.sleep(goneMs);
    gateway = await site.gateway({ port });
    const startMs = performance.now();
    const online = Array.from({ length: agentCount }, async (_, index) => {
      const line = new RegExp(`agent\\.online device=${index + 1} `);
      await gateway.child.line(line, PATIENCE_MS);
      return performance.now() - startMs;
    });
    const backMs = (await Promise.all(online)).sort((a, b) => a - b);
    const [p50Ms = 0, maxMs = 0] = [
      backMs[agentCount >> 1],
      backMs[agentCount - 1],
    ];
    isInTime &&= maxMs <= BACK_MAX_MS;
    print(
      `gateway gone for ${goneMs / 1_000} s: ${agentCount} agents back in ` +
        `${text(p50Ms)} (half), ${text(maxMs)} (all; limit ${
          text(BACK_MAX_MS)
        })`,
    );
  }
  return isInTime;
}

/** The network swallows everything, and then no longer. */
async function measureSilence(): Promise<boolean> {
  await using far = await FarAgent.start();
  const { agent, gateway, network } = far;
  await network.cut();
  const startMs = performance.now();
  const noticed = await Promise.all(
    ([[agent, /link\.lost .*code=linkSilent/], [
      gateway,
      /agent\.offline .*code=linkSilent/,
    ]] as const).map(async ([child, line]) => {
      await child.line(line, PATIENCE_MS);
      return performance.now() - startMs;
    }),
  );
  const [agentMs = 0, gatewayMs = 0] = noticed;
  await network.mend();
  const mendedMs = performance.now();
  await nthLine(gateway, /agent\.online/, 2, PATIENCE_MS);
  const backMs = performance.now() - mendedMs;
  print(
    `network silent: noticed by agent in ${text(agentMs)}, by gateway in ` +
      `${text(gatewayMs)} (limit ${text(SILENT_MAX_MS)}), back in ` +
      `${text(backMs)} once it speaks again`,
  );
  return Math.max(agentMs, gatewayMs) <= SILENT_MAX_MS;
}

/** The agent's computer sleeps; its link is dead when it wakes. */
async function measureSleep(): Promise<boolean> {
  await using far = await FarAgent.start();
  const { agent, network } = far;
  agent.kill("SIGSTOP");
  await network.cut();
  await Bun.sleep(SLEEP_MS);
  agent.kill("SIGCONT");
  const startMs = performance.now();
  await agent.line(/link\.lost .*code=linkSilent/, PATIENCE_MS);
  const ms = performance.now() - startMs;
  print(
    `asleep for ${text(SLEEP_MS)}: dead link noticed ${
      text(ms)
    } after waking ` +
      `(limit ${text(AWAKE_MAX_MS)})`,
  );
  return ms <= AWAKE_MAX_MS;
}

/** An agent that reaches its gateway through a network of its own. */
class FarAgent implements AsyncDisposable {
  readonly agent: Child;
  readonly gateway: Child;
  readonly network: Network;
  readonly #site: Site;

  private constructor(
    site: Site,
    network: Network,
    gateway: Child,
    agent: Child,
  ) {
    this.#site = site;
    this.network = network;
    this.gateway = gateway;
    this.agent = agent;
  }

  static async start(): Promise<FarAgent> {
    const site = await Site.create(GATEWAY_ADDRESS);
    try {
      const network = site.own(await Network.create());
      const { address, under } = network.gateway;
      const gateway = await site.gateway({ address, under });
      const agent = await site.agent({
        id: 7,
        url: `wss://${GATEWAY_ADDRESS}:${gateway.port}/tunnel`,
        services: {},
        under: network.agent.under,
      });
      return new FarAgent(site, network, gateway.child, agent.child);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#site[Symbol.asyncDispose]();
  }
}

function text(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await measure(Number(values.seconds), Number(values.agents)));
