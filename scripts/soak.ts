/**
 * Opens, uses and breaks tunnels for a while, and lets agents dial a server
 * that is not there; looks whether anybody's memory grows.
 */

import type { Socket } from "node:net";
import { FaultRelay } from "../test/support/fault_relay.ts";
import { freePort } from "../test/support/free_port.ts";
import { startListener } from "../test/support/listener.ts";
import { Site } from "../test/support/site.ts";
import { dialTest, echoOnce, serveTcp } from "../test/support/tcp_peer.ts";
import { MemoryTrace } from "./memory_trace.ts";
import { EXIT_USAGE, runScript } from "./parse_flags.ts";
import type { StormOrders, StormReport } from "./storm_report.ts";

const HELP = `Usage: scripts/soak [--minutes M] [--help]

For M minutes (10): opens tunnels, twenty at a time, sends 64 KiB there and
back, ends some cleanly, resets some, and breaks the links of others in the
middle; beside that, agents dial a gateway that is not there. Prints each
process's resident memory and its slope.

Exit status: 0, 1 if a process grew by more than 24 MiB between the second and
the last quarter of the time, ${EXIT_USAGE} usage.
`;

const ABREAST_COUNT = 20;
const ECHO_BYTES = 64 * 1024;
const LOOK_EVERY_MS = 3_000;
const GROWTH_MAX_MIB = 24;
/** Agents without a gateway: their attempts count together. */
const LONELY_COUNT = 200;
/** What one agent makes in an hour, once its waits are uniform in 0–30 s. */
const ATTEMPTS_PER_HOUR = 240;

const OPTIONS = {
  minutes: { type: "string", default: "10" },
  help: { type: "boolean", default: false },
} as const;

function main(argv: readonly string[]): Promise<number> {
  return runScript(argv, OPTIONS, HELP, (values) => {
    const minutes = Number(values.minutes);
    return minutes > 0 ? soak(minutes) : undefined;
  });
}

async function soak(minutes: number): Promise<number> {
  await using site = await Site.create();
  const echoing = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  const gateway = await site.gateway();
  const target = { host: "127.0.0.1", port: gateway.port };
  const relay = site.own(await FaultRelay.listen({ target }));
  const url = `wss://localhost:${relay.port}/tunnel`;
  const services = { echo: echoing.port };
  // Past the relay: who has lost its control link is offline for some seconds.
  const agent = await site.agent({ id: 7, url: gateway.url, services });
  const operator = await site.identity("operator", "maria");
  const listener = await startListener(site, url, operator, "7", "echo");
  const lonely = await startLonely(site);
  const traces = [
    new MemoryTrace("agent", agent.child.pid),
    new MemoryTrace("gateway", gateway.child.pid),
    new MemoryTrace("connect", listener.child.pid),
  ];
  const lonelyTrace = new MemoryTrace("agents without a gateway", lonely.pid);
  const endMs = performance.now() + minutes * 60_000;
  let tunnelCount = 0;
  let lookedMs = 0;
  while (performance.now() < endMs) {
    await useSome(listener.port, relay);
    tunnelCount += ABREAST_COUNT;
    if (performance.now() - lookedMs < LOOK_EVERY_MS) continue;
    lookedMs = performance.now();
    const looks = traces.map(async (trace) =>
      `${trace.name} ${Math.round(await trace.look(tunnelCount))}`
    );
    await lonelyTrace.look(attemptsOf(lonely.output().stdout));
    print(
      `${tunnelCount} tunnels: ${(await Promise.all(looks)).join(", ")} MiB`,
    );
  }
  const attempts = attemptsOf(lonely.output().stdout);
  print(
    `${attempts} attempts without a gateway, as many as one agent makes in ` +
      `${Math.round(attempts / ATTEMPTS_PER_HOUR)} h`,
  );
  const all = [...traces, lonelyTrace];
  for (const trace of all) {
    const what = trace === lonelyTrace ? "attempts" : "tunnels";
    print(
      `${trace.name}: ${trace.slope.toFixed(2)} MiB for 1000 ${what}, ` +
        `grown by ${trace.growthMib.toFixed(1)} MiB (limit ${GROWTH_MAX_MIB})`,
    );
  }
  return all.every(({ growthMib }) => growthMib <= GROWTH_MAX_MIB) ? 0 : 1;
}

/**
 * Some tunnels at once: all lose their links in the middle of what they carry,
 * and each ends in one of three ways.
 */
async function useSome(port: number, relay: FaultRelay): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: ABREAST_COUNT }, async () => {
      const client = await dialTest(port);
      await echoOnce(client.socket, 1);
      return client;
    }),
  );
  const echoes = clients.map(({ socket }) => echoOnce(socket, ECHO_BYTES));
  relay.reset();
  await Promise.all(echoes);
  await Promise.all(clients.map(async (client, index) => {
    using _client = client;
    if (index % 3 === 0) return await resetAfter(client.socket);
    client.socket.end();
    if (index % 3 === 1) await client.ended;
  }));
}

/** Breaks it off, while it still has to say something. */
function resetAfter(socket: Socket): Promise<void> {
  socket.on("error", () => undefined);
  socket.write(new Uint8Array(ECHO_BYTES));
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  socket.resetAndDestroy();
  return promise;
}

async function startLonely(site: Site) {
  const orders: StormOrders = {
    url: `ws://127.0.0.1:${await freePort()}/tunnel`,
    firstId: 1,
    agentCount: LONELY_COUNT,
    spreadMs: 1_000,
  };
  const program = `${import.meta.dir}/storm_agents.ts`;
  return site.start(["bun", program, JSON.stringify(orders)]);
}

function attemptsOf(stdout: string): number {
  return stdout.split("\n").slice(0, -1)
    .map((line) => (JSON.parse(line) as StormReport).dialCount)
    .reduce((sum, count) => sum + count, 0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
