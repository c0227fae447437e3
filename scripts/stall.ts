/**
 * Runs an operator and a service that do not read, beside a tunnel that
 * echoes, with the heartbeats as they are shipped; prints the echo's latency
 * and each process's memory, and exits with 1 if anybody was disturbed.
 *
 * `scripts/stall [--seconds N]`, default 300.
 */

import type { Socket } from "node:net";
import { parseArgs } from "node:util";
import type { Child } from "../test/support/child.ts";
import { residentBytes } from "../test/support/process_memory.ts";
import { BINARY, Site } from "../test/support/site.ts";
import {
  dialTest,
  echoOnce,
  flood,
  serveTcp,
} from "../test/support/tcp_peer.ts";

const SAMPLE_COUNT = 200;
const SAMPLE_EVERY_MS = 10_000;
const RESIDENT_MAX_MIB = 300;

/** Latencies of one round of echoes, in milliseconds. */
interface Sample {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "300" } },
});
process.exit(await stall(Number(values.seconds)));

async function stall(seconds: number): Promise<number> {
  await using site = await Site.create();
  const echoing = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  const deaf = site.own(await serveTcp((socket) => void socket.pause()));
  const flooding = site.own(await serveTcp(flood));
  const gateway = await site.gateway();
  const services = {
    echoing: echoing.port,
    deaf: deaf.port,
    flooding: flooding.port,
  };
  const { url } = gateway;
  const agent = await site.agent({ id: 7, url, services });
  const operator = await site.identity("operator", "maria");
  const open = async (service: string) => {
    const flags = site.operatorFlags(url, operator);
    const args = ["connect", "7", service, "--listen", "127.0.0.1:0"];
    const child = site.start([BINARY, ...args, ...flags]);
    const line = await child.line(/^listening /);
    const client = await dialTest(Number(line.split(":").at(-1)));
    return { child, socket: client.socket };
  };
  const echo = await open("echoing");
  echo.socket.setNoDelay(true);
  say("before", await sample(echo.socket));
  const sleeper = await open("flooding");
  sleeper.socket.pause();
  const shouter = await open("deaf");
  flood(shouter.socket);

  const watched = { gateway: gateway.child, agent: agent.child };
  const others = { sleeper: sleeper.child, shouter: shouter.child };
  let residentMaxMib = 0;
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    await Bun.sleep(SAMPLE_EVERY_MS);
    const memory = await residentMib({ ...watched, ...others });
    residentMaxMib = Math.max(residentMaxMib, ...Object.values(memory));
    say(JSON.stringify(memory), await sample(echo.socket));
  }
  const log = gateway.child.output().stderr;
  const lost = log.match(/linkSilent|agent\.offline|tunnel\.close/g) ?? [];
  const isFlat = residentMaxMib < RESIDENT_MAX_MIB;
  print(
    `${seconds} s: ${lost.length} links lost, at most ${residentMaxMib} MiB ` +
      `resident in one process (limit ${RESIDENT_MAX_MIB})`,
  );
  return lost.length === 0 && isFlat ? 0 : 1;
}

async function sample(socket: Socket): Promise<Sample> {
  const tookMs: number[] = [];
  for (let index = 0; index < SAMPLE_COUNT; index++) {
    tookMs.push(await echoOnce(socket, 64));
  }
  tookMs.sort((a, b) => a - b);
  const at = (share: number) => tookMs[Math.floor(SAMPLE_COUNT * share)] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function residentMib(
  children: Readonly<Record<string, Child>>,
): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [name, { pid }] of Object.entries(children)) {
    found[name] = Math.round(await residentBytes(pid) / 1024 ** 2);
  }
  return found;
}

function say(what: string, { p50Ms, p99Ms }: Sample): void {
  print(`echo p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms  ${what}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
