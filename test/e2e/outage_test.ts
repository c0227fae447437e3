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
  "both sides notice that nothing comes through, and an agent comes back",
  async () => {
    await using site = await Site.create(GATEWAY_ADDRESS);
    const network = site.own(await Network.create());
    const gateway = await site.gateway({
      address: network.gateway.address,
      under: network.gateway.under,
      tables: "[heartbeat]\ninterval_ms = 2000\ntimeout_ms = 4000",
    });
    const url = `wss://${GATEWAY_ADDRESS}:${gateway.port}/tunnel`;
    const { under } = network.agent;
    const { child } = await site.agent({ id: 7, url, services: {}, under });
    await network.cut();
    // The timeout, and the tick of 1.5 s on which it is looked at.
    const noticed = await Promise.all([
      msUntil(child.line(/link\.lost .*code=linkSilent/)),
      msUntil(gateway.child.line(/agent\.offline .*code=linkSilent/)),
    ]);
    for (const ms of noticed) expect(ms).toBeLessThan(4_000 + 1_500 + 500);
    await network.mend();
    await nthLine(gateway.child, /agent\.online device=7 /, 2);
  },
  50_000,
);

testNetwork(
  "an agent that wakes from sleep finds its link dead within 5 s",
  async () => {
    await using site = await Site.create(GATEWAY_ADDRESS);
    const network = site.own(await Network.create());
    const gateway = await site.gateway({
      address: network.gateway.address,
      under: network.gateway.under,
    });
    const url = `wss://${GATEWAY_ADDRESS}:${gateway.port}/tunnel`;
    const { under } = network.agent;
    const { child } = await site.agent({ id: 7, url, services: {}, under });
    child.kill("SIGSTOP");
    await network.cut();
    // The sleep is what is tested; heartbeats are every 20 s meanwhile.
    await Bun.sleep(8_000);
    child.kill("SIGCONT");
    const ms = await msUntil(child.line(/link\.lost .*code=linkSilent/));
    expect(ms).toBeLessThan(AWAKE_MAX_MS);
    await network.mend();
    await nthLine(child, /link\.open/, 2);
  },
  50_000,
);
