/**
 * Copies a large file by scp through a tunnel, once in peace and once while
 * its links are reset again and again, and compares bytes and time.
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startChild } from "../test/support/child.ts";
import { freePort } from "../test/support/free_port.ts";
import type { FaultRelay } from "../test/support/fault_relay.ts";
import { writeSshConfig } from "./chaos_ssh.ts";
import { type ChaosWorld, startChaosWorld } from "./chaos_world.ts";
import { EXIT_USAGE, runScript } from "./parse_flags.ts";

const HELP = `Usage: scripts/long_copy [--mib N] [--resets N] [--help]

Copies N MiB (1024) by scp through a tunnel, in peace before and after, and in
between while the link of one end or the other is reset N times (20), evenly
over the bytes. Prints
both speeds and compares SHA-256.

Exit status: 0, 1 if a byte differs or less than 80 % of the speed is left,
${EXIT_USAGE} usage.
`;

const SPEED_MIN_SHARE = 0.8;
const MEBIBYTE = 1024 * 1024;
const LOOK_EVERY_MS = 2;
const AGAIN_MS = 200;

const OPTIONS = {
  mib: { type: "string", default: "1024" },
  resets: { type: "string", default: "20" },
  help: { type: "boolean", default: false },
} as const;

function main(argv: readonly string[]): Promise<number> {
  return runScript(argv, OPTIONS, HELP, (values) => {
    const [mib, resets] = [Number(values.mib), Number(values.resets)];
    return mib > 0 && resets >= 0 ? longCopy(mib, resets) : undefined;
  });
}

async function longCopy(mib: number, resetCount: number): Promise<number> {
  await using world = await startChaosWorld(await freePort());
  const config = await writeSshConfig(world);
  const from = join(world.site.dir, "long");
  await writeRandom(from, mib);
  const wanted = await sha256(from);
  // Before and after: the machine may have more to do in between.
  const beforeMs = await copy(world, config, from, mib, 0);
  const brokenMs = await copy(world, config, from, mib, resetCount);
  const got = await sha256(`${from}.there`);
  const afterMs = await copy(world, config, from, mib, 0);
  const peaceMs = (beforeMs + afterMs) / 2;
  const share = peaceMs / brokenMs;
  print(
    `in peace ${speed(mib, beforeMs)} and ${
      speed(mib, afterMs)
    }, across ${resetCount} resets ${speed(mib, brokenMs)}: ${
      (100 * share).toFixed(0)
    } % (at least ${100 * SPEED_MIN_SHARE} %)`,
  );
  print(`SHA-256 ${got === wanted ? "equal" : "DIFFERENT"}: ${got}`);
  const said = world.agent.output().stderr;
  print(
    `the agent came back ${said.match(/tunnel\.resume /g)?.length ?? 0} times`,
  );
  return got === wanted && share >= SPEED_MIN_SHARE ? 0 : 1;
}

/** Returns how long it took, in milliseconds. */
async function copy(
  world: ChaosWorld,
  config: string,
  from: string,
  mib: number,
  resetCount: number,
): Promise<number> {
  await untilOnline(world);
  const startMs = performance.now();
  await using scp = startChild([
    "scp",
    "-q",
    "-F",
    config,
    from,
    `7.mf:${from}.there`,
  ]);
  let isOver = false;
  const exited = scp.exited.finally(() => isOver = true);
  const [forAgent, forOperators] = world.relays;
  if (!forAgent || !forOperators) throw new Error("There are no relays");
  const carriedBytes = () => forOperators.counts.carriedBytes;
  const before = carriedBytes();
  for (let index = 1; index <= resetCount && !isOver; index++) {
    const dueBytes = before + mib * MEBIBYTE * index / (resetCount + 1);
    while (carriedBytes() < dueBytes && !isOver) await Bun.sleep(LOOK_EVERY_MS);
    const relay: FaultRelay = index % 2 === 0 ? forAgent : forOperators;
    if (!isOver) relay.reset();
  }
  const status = await exited;
  if (status !== 0) {
    throw new Error(`scp: ${scp.output().stderr.slice(-1_000)}`);
  }
  return performance.now() - startMs;
}

/** What broke the links of tunnels broke the agent's control link as well. */
async function untilOnline({ operator, site, url }: ChaosWorld): Promise<void> {
  const args = ["devices", "--json", ...site.operatorFlags(url, operator)];
  for (;;) {
    const [device] = JSON.parse(await site.cli(args));
    if (device?.online) return;
    await Bun.sleep(AGAIN_MS);
  }
}

async function writeRandom(path: string, mib: number): Promise<void> {
  const file = Bun.file(path).writer();
  for (let index = 0; index < mib; index++) {
    file.write(randomBytes(MEBIBYTE));
    await file.flush();
  }
  await file.end();
}

async function sha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

function speed(mib: number, ms: number): string {
  return `${(1_000 * mib / ms).toFixed(1)} MiB/s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
