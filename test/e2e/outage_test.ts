import { expect, test } from "bun:test";
import type { Child } from "../support/child.ts";
import { freePort } from "../support/free_port.ts";
import {
  GATEWAY_ADDRESS,
  Network,
  networkMissing,
} from "../support/network.ts";
import { nthLine } from "../support/nth_line.ts";
import { Site } from "../support/site.ts";
import { testUnless } from "../support/test_unless.ts";

const testNetwork = testUnless(networkMissing());

/** What the product promises to a small fleet. */
const BACK_MAX_MS = 5_000;
/** What it promises after a sleep. */
const AWAKE_MAX_MS = 5_000;

/** Long enough for a sleep to be one: an agent that naps is only late. */
const SILENT_AFTER_MS = 7_000;
/** How often heartbeats are looked through. */
const TICK_MS = 1_500;

const AGENT_COUNT = 3;
/**
 * The attempt from which on an agent waits as it does for ever: 0 to 3 s, 1,
 * 2, 4 and then the cap, whatever the outage's length. scripts/outage has
 * one of two minutes.
 */
const CAPPED_ATTEMPT = 5;

/** Resolves with the milliseconds until `line` came. */
async function msUntil(line: Promise<string>): Promise<number> {
  const startMs = performance.now();
  await line;
  return performance.now() - startMs;
}

test(
  "agents are back within 5 s of their gateway, however long it was gone",
  async () => {
    await using site = await Site.create();
    const port = await freePort();
    let gateway = await site.gateway({ port });
    const { url } = gateway;
    const agents: Child[] = [];
    for (let id = 1; id <= AGENT_COUNT; id++) {
      agents.push((await site.agent({ id, url, services: {} })).child);
    }
    const back = async () => {
      const { child } = gateway;
      return await Promise.all(agents.map((_, index) => {
        const online = new RegExp(`agent\\.online device=${index + 1} `);
        return msUntil(child.line(online));
      }));
    };
    gateway.child.kill("SIGKILL");
    await gateway.child.exited;
    gateway = await site.gateway({ port });
    for (const ms of await back()) expect(ms).toBeLessThan(BACK_MAX_MS);

    gateway.child.kill("SIGKILL");
    await Promise.all(agents.map((agent) => {
      const capped = `link\\.failed attempt=${CAPPED_ATTEMPT} `;
      return agent.line(new RegExp(capped), 30_000);
    }));
    gateway = await site.gateway({ port });
    for (const ms of await back()) expect(ms).toBeLessThan(BACK_MAX_MS);
  },
  50_000,
);

test(
  "an agent that slept through its gateway's restart is back within 5 s",
  async () => {
    await using site = await Site.create();
    const port = await freePort();
    const old = await site.gateway({ port });
    const { url } = old;
    const { child } = await site.agent({ id: 7, url, services: {} });
    child.kill("SIGSTOP");
    old.child.kill("SIGKILL");
    await old.child.exited;
    const next = await site.gateway({ port });
    child.kill("SIGCONT");
    const ms = await msUntil(next.child.line(/agent\.online device=7 /));
    expect(ms).toBeLessThan(AWAKE_MAX_MS);
  },
  30_000,
);

testNetwork(
  "a dead network is noticed by both sides, and by who slept through its death",
  async () => {
    await using site = await Site.create(GATEWAY_ADDRESS);
    const network = site.own(await Network.create());
    const start = async (id: number, name: string, tables: string) => {
      const { address, under } = network.gateway;
      const { child, port } = await site.gateway({
        name,
        address,
        under,
        tables,
      });
      const agent = await site.agent({
        id,
        name: `${name}-agent`,
        url: `wss://${GATEWAY_ADDRESS}:${port}/tunnel`,
        services: {},
        under: network.agent.under,
      });
      return { gateway: child, agent: agent.child };
    };
    const heartbeat = `interval_ms = 2000\ntimeout_ms = ${SILENT_AFTER_MS}`;
    const awake = await start(7, "awake", `[heartbeat]\n${heartbeat}`);
    const asleep = await start(8, "asleep", "");
    asleep.agent.kill("SIGSTOP");
    await network.cut();
    const noticedMs = await Promise.all([
      msUntil(awake.agent.line(/link\.lost .*code=linkSilent/)),
      msUntil(awake.gateway.line(/agent\.offline .*code=linkSilent/)),
    ]);
    for (const ms of noticedMs) {
      expect(ms).toBeLessThan(SILENT_AFTER_MS + TICK_MS + 500);
    }
    // Heartbeats as they are shipped would take 42 s to show it.
    asleep.agent.kill("SIGCONT");
    const wokenMs = await msUntil(
      asleep.agent.line(/link\.lost .*code=linkSilent/),
    );
    expect(wokenMs).toBeLessThan(AWAKE_MAX_MS);
    await network.mend();
    await nthLine(awake.gateway, /agent\.online device=7 /, 2);
    await nthLine(asleep.agent, /link\.open/, 2);
  },
  50_000,
);
