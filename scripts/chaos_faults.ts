import {
  beginFault,
  FAULT_KINDS,
  type FaultKind,
} from "../test/support/fault_script.ts";
import { SeededRandom } from "../test/support/seeded_random.ts";
import type { ChaosWorld } from "./chaos_world.ts";

/** What is done to processes; what is done to links has a list of its own. */
const PROCESS_FAULTS = {
  gateway: ["gatewayKill", "gatewayRestart", "gatewayFreeze"],
  agent: ["agentFreeze"],
  redis: ["redisKill", "redisFreeze"],
  proxy: ["proxyRestart"],
} as const;
type ProcessFault =
  (typeof PROCESS_FAULTS)[keyof typeof PROCESS_FAULTS][number];

/** What of a round hits while Redis or the proxy begins anew. */
const WHILE_OTHERS_BEGIN = ["gatewayKill", "gatewayFreeze"] as const;

/** Links are more often broken than processes. */
const LINK_WEIGHT = 6;
const SHORT_SHARE = 0.5;
const SHORT_MAX_MS = 500;
const LONG_MAX_MS = 4_000;
/** Faults of a round begin within this time, so that they overlap. */
const APART_MAX_MS = 300;
/** How many faults a round has: each entry as likely as the others. */
const ROUND_COUNTS = [1, 1, 2, 2, 3] as const;
/** Of several gateways: rounds that break two things a site depends on. */
const PAIR_SHARE = 0.1;

/** Something that can be broken, one fault at a time. */
export type Place =
  | { readonly name: "link"; readonly index: number }
  | { readonly name: "gateway"; readonly index: number }
  | { readonly name: "agent" | "redis" | "proxy"; readonly index: 0 };

export interface PlannedFault {
  readonly place: Place;
  readonly kind: FaultKind | ProcessFault;
  readonly afterMs: number;
  readonly lastsMs: number;
  readonly seed: number;
}

/** How much there is to break. */
export interface ChaosPlaces {
  readonly linkCount: number;
  readonly gatewayCount: number;
}

/** Decides on the faults that come next, at different places, at once. */
export function planRound(
  random: SeededRandom,
  places: ChaosPlaces,
): PlannedFault[] {
  if (places.gatewayCount > 1 && random.chance(PAIR_SHARE)) {
    return planPair(random, places.gatewayCount);
  }
  const left = allPlaces(places);
  return Array.from({ length: random.pick(ROUND_COUNTS) }, () => {
    const place = random.pick(left.flatMap(weighted));
    left.splice(left.indexOf(place), 1);
    const kinds = place.name === "link"
      ? FAULT_KINDS
      : PROCESS_FAULTS[place.name];
    return planFault(random, place, random.pick(kinds));
  });
}

/** A gateway stands still, or is gone, while what it leans on begins anew. */
function planPair(random: SeededRandom, gatewayCount: number): PlannedFault[] {
  const gateway = {
    name: "gateway",
    index: random.below(gatewayCount),
  } as const;
  const other = random.pick(["redis", "proxy"] as const);
  const kind = other === "redis" ? "redisKill" : "proxyRestart";
  return [
    planFault(random, gateway, random.pick(WHILE_OTHERS_BEGIN)),
    planFault(random, { name: other, index: 0 }, kind),
  ];
}

function planFault(
  random: SeededRandom,
  place: Place,
  kind: PlannedFault["kind"],
): PlannedFault {
  const maxMs = random.chance(SHORT_SHARE) ? SHORT_MAX_MS : LONG_MAX_MS;
  return {
    place,
    kind,
    afterMs: random.below(APART_MAX_MS),
    lastsMs: random.below(maxMs),
    seed: random.below(2 ** 31),
  };
}

function allPlaces({ linkCount, gatewayCount }: ChaosPlaces): Place[] {
  const some = (name: "link" | "gateway", count: number) =>
    Array.from({ length: count }, (_, index): Place => ({ name, index }));
  const shared = ["redis", "proxy"] as const;
  return [
    ...some("link", linkCount),
    ...some("gateway", gatewayCount),
    { name: "agent", index: 0 },
    ...gatewayCount > 1
      ? shared.map((name): Place => ({ name, index: 0 }))
      : [],
  ];
}

function weighted(place: Place): Place[] {
  const weight = place.name === "link" ? LINK_WEIGHT : 1;
  return Array.from({ length: weight }, () => place);
}

/** Injects all of them, and resolves when the path is back. */
export async function injectFaults(
  world: ChaosWorld,
  round: readonly PlannedFault[],
): Promise<void> {
  await Promise.all(round.map((planned) => inject(world, planned)));
}

async function inject(world: ChaosWorld, planned: PlannedFault): Promise<void> {
  await Bun.sleep(planned.afterMs);
  const { kind, place } = planned;
  const isLink = place.name === "link";
  if (isLink) await breakLink(world, planned, kind as FaultKind);
  else await breakProcess(world, planned, kind as ProcessFault);
}

async function breakLink(
  world: ChaosWorld,
  { place, lastsMs, seed }: PlannedFault,
  kind: FaultKind,
): Promise<void> {
  const relay = at(world.relays, place.index);
  const mend = beginFault(relay, kind, new SeededRandom(seed));
  if (kind !== "reset") await Bun.sleep(lastsMs);
  mend();
}

async function breakProcess(
  world: ChaosWorld,
  { place, lastsMs }: PlannedFault,
  kind: ProcessFault,
): Promise<void> {
  switch (kind) {
    case "gatewayKill":
    case "gatewayRestart": {
      const gateway = at(world.gateways, place.index);
      gateway.child().kill(kind === "gatewayKill" ? "SIGKILL" : "SIGTERM");
      await gateway.child().exited;
      if (kind === "gatewayKill") await Bun.sleep(lastsMs);
      return await gateway.start();
    }
    case "gatewayFreeze":
      return await freeze(at(world.gateways, place.index).child(), lastsMs);
    case "agentFreeze":
      return await freeze(world.agent, lastsMs);
    case "redisKill":
    case "proxyRestart": {
      const part = kind === "redisKill" ? world.redis : world.proxy;
      await part?.kill();
      await Bun.sleep(lastsMs);
      return await part?.restart();
    }
    case "redisFreeze": {
      const { redis } = world;
      return redis && await freeze(
        { kill: (signal) => redis.signal(signal) },
        lastsMs,
      );
    }
    default:
      return kind satisfies never;
  }
}

async function freeze(
  frozen: { kill: (signal: "SIGSTOP" | "SIGCONT") => void },
  ms: number,
): Promise<void> {
  frozen.kill("SIGSTOP");
  await Bun.sleep(ms);
  frozen.kill("SIGCONT");
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`There is no number ${index}`);
  return found;
}
