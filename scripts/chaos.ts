/**
 * Lets real programs work over real tunnels while gateway and links are
 * killed, frozen, restarted and cut at random, and says what became of them.
 */

import { freePort } from "../test/support/free_port.ts";
import { SeededRandom } from "../test/support/seeded_random.ts";
import { Pulse, runBulk } from "./chaos_echo.ts";
import { injectFault } from "./chaos_faults.ts";
import { gatewaysMissing } from "./chaos_gateways.ts";
import { runScp, runSftp, runShell, writeSshConfig } from "./chaos_ssh.ts";
import { ChaosTally } from "./chaos_tally.ts";
import { runVnc, vncMissing } from "./chaos_vnc.ts";
import { type ChaosWorld, startChaosWorld } from "./chaos_world.ts";
import { EXIT_USAGE, runScript } from "./parse_flags.ts";

const HELP = `Usage: scripts/chaos [--seed N] [--minutes M] [--gateways N]
                     [--no-vnc] [--help]

For M minutes (5): OpenSSH's scp and sftp, an interactive shell, a VNC session,
a bulk echo and somebody who types, all at once, while the gateways (1, or N
with Redis, behind HAProxy) are killed, restarted and frozen, the agent is frozen, and links are reset, swallowed,
stalled, slowed down and refused, at random; the same for the same N. Prints
the faults, the sessions that were lost, the bytes that were wrong, and how
long after each fault a session could be used again.

Exit status: 0, 1 if a session was lost, a byte wrong, or p99 over 5 s,
${EXIT_USAGE} usage.
`;

const USABLE_MAX_MS = 5_000;
const GAP_MAX_MS = 1_500;
const LOG_LINES_COUNT = 40;
/** Longer than any detach time: whoever is not back by then never will be. */
const PATIENCE_MS = 90_000;

const OPTIONS = {
  seed: { type: "string", default: String(Date.now() % 1_000_000) },
  minutes: { type: "string", default: "5" },
  gateways: { type: "string", default: "1" },
  "no-vnc": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

function main(argv: readonly string[]): Promise<number> {
  return runScript(argv, OPTIONS, HELP, (values) => {
    const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
    const gatewayCount = Number(values.gateways);
    const isUsable = Number.isInteger(seed) && minutes > 0 &&
      Number.isInteger(gatewayCount) && gatewayCount >= 1;
    if (!isUsable) return undefined;
    const noVnc = values["no-vnc"] ? "it is not wanted" : vncMissing();
    return chaos({ seed, minutes, gatewayCount, noVnc });
  });
}

interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly gatewayCount: number;
  /** Why there is no VNC session; undefined: there is. */
  readonly noVnc: string | undefined;
}

async function chaos(options: ChaosOptions): Promise<number> {
  const { gatewayCount, minutes, noVnc, seed } = options;
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
  const goesOn = () => performance.now() < endMs;
  const pulse = await Pulse.start(world, tally);
  if (noVnc !== undefined) print(`no VNC session: ${noVnc}`);
  const sessions = Promise.all([
    runScp(world, config, tally, goesOn),
    runSftp(world, config, tally, goesOn),
    runShell(world, tally, goesOn),
    runBulk(world, tally, goesOn),
    ...noVnc === undefined ? [runVnc(world, vncPort, tally, goesOn)] : [],
  ]);
  while (goesOn()) {
    await Bun.sleep(GAP_MAX_MS * random.next());
    const kind = await injectFault(world, random);
    const startMs = performance.now();
    await within(pulse.usable(), "the pulse");
    const usableMs = performance.now() - startMs;
    tally.fault(kind, usableMs);
    print(`${kind}: usable after ${(usableMs / 1_000).toFixed(2)} s`);
    if (usableMs > USABLE_MAX_MS) printLogs(world);
  }
  await within(sessions, "the sessions");
  await within(pulse.finish(), "the pulse's end");
  for (const line of tally.lines()) print(line);
  const isGood = tally.lost.length === 0 && tally.wrongBytes === 0 &&
    tally.usableMs(0.99) <= USABLE_MAX_MS;
  return isGood ? 0 : 1;
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
