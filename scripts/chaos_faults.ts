import { beginFault, FAULT_KINDS } from "../test/support/fault_script.ts";
import type { SeededRandom } from "../test/support/seeded_random.ts";
import type { ChaosWorld } from "./chaos_world.ts";

/** What is done to processes; what is done to links has a list of its own. */
const PROCESS_FAULTS = [
  "gatewayKill",
  "gatewayRestart",
  "gatewayFreeze",
  "agentFreeze",
] as const;

/** Links are more often broken than processes. */
const LINK_SHARE = 0.75;
const LASTS_MAX_MS = 4_000;

/** Injects one fault, and resolves when the path is back. Returns its name. */
export async function injectFault(
  world: ChaosWorld,
  random: SeededRandom,
): Promise<string> {
  const lastsMs = Math.round(LASTS_MAX_MS * random.next());
  if (random.chance(LINK_SHARE)) return await cutLinks(world, random, lastsMs);
  const kind = random.pick(PROCESS_FAULTS);
  const gateway = random.pick(world.gateways);
  switch (kind) {
    case "gatewayKill":
      gateway.child().kill("SIGKILL");
      await gateway.child().exited;
      await Bun.sleep(lastsMs);
      await gateway.start();
      return kind;
    case "gatewayRestart":
      gateway.child().kill("SIGTERM");
      await gateway.child().exited;
      await gateway.start();
      return kind;
    case "gatewayFreeze":
      await freeze(gateway.child().pid, lastsMs);
      return kind;
    case "agentFreeze":
      await freeze(world.agent.pid, lastsMs);
      return kind;
    default:
      return kind satisfies never;
  }
}

/** One leg, or both at once. */
async function cutLinks(
  world: ChaosWorld,
  random: SeededRandom,
  lastsMs: number,
): Promise<string> {
  const kind = random.pick(FAULT_KINDS);
  const relays = random.chance(0.3)
    ? world.relays
    : [random.pick(world.relays)];
  const mends = relays.map((relay) => beginFault(relay, kind, random));
  if (kind !== "reset") await Bun.sleep(lastsMs);
  for (const mend of mends) mend();
  return relays.length > 1 ? `${kind} of both` : kind;
}

async function freeze(pid: number, ms: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await Bun.sleep(ms);
  process.kill(pid, "SIGCONT");
}
