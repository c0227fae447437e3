/**
 * Lets real programs work over real tunnels while gateway and links are
 * killed, frozen, restarted and cut at random, and says what became of them.
 */

import { freePort } from "../test/support/free_port.ts";
import { SeededRandom } from "../test/support/seeded_random.ts";
import { openEcho, Pulse, runBulk } from "./chaos_echo.ts";
import { injectFaults, planRound } from "./chaos_faults.ts";
import { gatewaysMissing } from "./chaos_gateways.ts";
import { runScp, runSftp, runShell, writeSshConfig } from "./chaos_ssh.ts";
import { ChaosTally } from "./chaos_tally.ts";
import { runVnc, vncMissing } from "./chaos_vnc.ts";
import { type ChaosWorld, startChaosWorld } from "./chaos_world.ts";
import { EXIT_USAGE, runScript } from "./parse_flags.ts";

const HELP = `Usage: scripts/chaos [--seed N] [--minutes M] [--faults N]
                     [--gateways N] [--no-vnc] [--help]

For M minutes (5), or until N faults were injected: OpenSSH's scp and sftp, an
interactive shell, a VNC session, a bulk echo and somebody who types, all at
once, while the gateways (1, or N with Redis, behind HAProxy) are killed,
restarted and frozen, the agent is frozen, links are reset, swallowed, stalled,
slowed down and refused, and of several gateways Redis and HAProxy go and come
back: one to three faults at once, at random, the same for the same --seed.
Prints the faults, the sessions that were lost, the bytes that were wrong, and
how long after the last of the faults of a moment a session could be used again.

Exit status: 0, 1 if a session was lost, a byte wrong, or p99 over 5 s,
${EXIT_USAGE} usage.
`;

const USABLE_MAX_MS = 5_000;
/** So that what is open for the whole time is open. */
const CALM_MS = 3_000;
const GAP_MAX_MS = 500;
const PROGRESS_EVERY_COUNT = 50;
const LOG_LINES_COUNT = 40;
/** Longer than any detach time: whoever is not back by then never will be. */
const PATIENCE_MS = 90_000;

const OPTIONS = {
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  minutes: { type: "string" },
  faults: { type: "string" },
  gateways: { type: "string", default: "1" },
  "no-vnc": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

function main(argv: readonly string[]): Promise<number> {
  return runScript(argv, OPTIONS, HELP, (values) => {
    const seed = Number(values.seed);
    const gatewayCount = Number(values.gateways);
    const faultCount = Number(values.faults ?? Infinity);
    const minutes = Number(values.minutes ?? (values.faults ? Infinity : 5));
    const isUsable = Number.isInteger(seed) && minutes > 0 && faultCount > 0 &&
      Number.isInteger(gatewayCount) && gatewayCount >= 1;
    if (!isUsable) return undefined;
    const noVnc = values["no-vnc"] ? "it is not wanted" : vncMissing();
    return chaos({ seed, minutes, faultCount, gatewayCount, noVnc });
  });
}

interface ChaosOptions {
  readonly seed: number;
  /** It ends when either is reached. */
  readonly minutes: number;
  readonly faultCount: number;
  readonly gatewayCount: number;
  /** Why there is no VNC session; undefined: there is. */
  readonly noVnc: string | undefined;
}

async function chaos(options: ChaosOptions): Promise<number> {
  const { faultCount, gatewayCount, minutes, noVnc, seed } = options;
  const missing = gatewaysMissing(gatewayCount);
  if (missing !== undefined) {
    process.stderr.write(`Cannot start ${gatewayCount} gateways: ${missing}\n`);
    return 1;
  }
  print(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const tally = new ChaosTally();
  const vncPort = await freePort();
  await using world = await startChaosWorld(vncPort, gatewayCount);
  const config = await writeSshConfig(world);
  const endMs = performance.now() + minutes * 60_000;
  const goesOn = () =>
    performance.now() < endMs && tally.faultCount < faultCount;
  const pulse = await Pulse.start(world, tally);
  const bulk = await openEcho(world);
  if (noVnc !== undefined) print(`no VNC session: ${noVnc}`);
  const sessions = Promise.all([
    runScp(world, config, tally, goesOn),
    runSftp(world, config, tally, goesOn),
    runShell(world, tally, goesOn),
    runBulk(bulk, tally, goesOn),
    ...noVnc === undefined ? [runVnc(world, vncPort, tally, goesOn)] : [],
  ]);
  await Bun.sleep(CALM_MS);
  while (goesOn()) await breakOnce(world, random, tally, pulse);
  await within(sessions, "the sessions");
  await within(pulse.finish(), "the pulse's end");
  for (const line of tally.lines()) print(line);
  const isGood = tally.lost.length === 0 && tally.wrongBytes === 0 &&
    tally.usableMs(0.99) <= USABLE_MAX_MS;
  return isGood ? 0 : 1;
}

/** Some faults at once, and how long it then takes until bytes move again. */
async function breakOnce(
  world: ChaosWorld,
  random: SeededRandom,
  tally: ChaosTally,
  pulse: Pulse,
): Promise<void> {
  await Bun.sleep(GAP_MAX_MS * random.next());
  const round = planRound(random, {
    linkCount: world.relays.length,
    gatewayCount: world.gateways.length,
  });
  await injectFaults(world, round);
  const startMs = performance.now();
  await within(pulse.usable(), "the pulse");
  const usableMs = performance.now() - startMs;
  const kinds = round.map(({ kind }) => kind);
  const was = Math.floor(tally.faultCount / PROGRESS_EVERY_COUNT);
  tally.faults(kinds, usableMs);
  print(
    `${kinds.join(" + ")}: usable after ${(usableMs / 1_000).toFixed(2)} s`,
  );
  const isTime = Math.floor(tally.faultCount / PROGRESS_EVERY_COUNT) > was;
  if (isTime) print(`-- ${tally.progress()}`);
  if (usableMs > USABLE_MAX_MS) printLogs(world);
}

/** What everybody had to say of the last fault. */
function printLogs({ agent, gateways }: ChaosWorld): void {
  for (const child of [agent, ...gateways.map((gateway) => gateway.child())]) {
    const lines = child.output().stderr.trimEnd().split("\n");
    for (const line of lines.slice(-LOG_LINES_COUNT)) print(`    ${line}`);
    print("");
  }
}

/** @throws {Error} When it takes longer than any session may. */
async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Waited in vain for ${what}`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
