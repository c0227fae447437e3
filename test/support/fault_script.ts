import type { FaultRelay } from "./fault_relay.ts";
import { CALM, type Weather } from "./fault_weather.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** What a script does to a relay; each can be mended. */
export const FAULT_KINDS = [
  "reset",
  "blackHole",
  "halfOpen",
  "stall",
  "slow",
  "late",
  "refuse",
  "shortLived",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault of a script, in milliseconds from its beginning. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly lastsMs: number;
}

/**
 * Returns faults one after the other, the same for the same `random`: gaps
 * are uniform in 0 to twice `gapMs`, each lasts up to `lastsMaxMs`.
 */
export function planFaults(
  random: SeededRandom,
  options: {
    readonly durationMs: number;
    readonly gapMs: number;
    readonly lastsMaxMs: number;
    readonly kinds?: readonly FaultKind[];
  },
): PlannedFault[] {
  const { durationMs, gapMs, kinds = FAULT_KINDS, lastsMaxMs } = options;
  const planned: PlannedFault[] = [];
  let atMs = 0;
  for (;;) {
    atMs += Math.round(2 * gapMs * random.next());
    if (atMs >= durationMs) return planned;
    const kind = random.pick(kinds);
    const lastsMs = kind === "reset"
      ? 0
      : Math.round(lastsMaxMs * random.next());
    planned.push({ kind, atMs, lastsMs });
    atMs += lastsMs;
  }
}

/** Begins a fault. Returns what ends it: connections it killed stay dead. */
export function beginFault(
  relay: FaultRelay,
  kind: FaultKind,
  random: SeededRandom,
): () => void {
  const whileItLasts = (change: Partial<Weather>) => {
    relay.set(change);
    return () => relay.set(CALM);
  };
  switch (kind) {
    case "reset":
      relay.reset();
      return () => undefined;
    case "blackHole":
      relay.swallow();
      return whileItLasts({ welcome: "held" });
    case "halfOpen":
      return whileItLasts(
        random.chance(0.5) ? { up: "swallowed" } : { down: "swallowed" },
      );
    case "stall":
      return whileItLasts({ up: "stands", down: "stands" });
    case "slow":
      return whileItLasts({ bytesPerSecond: 50_000 + random.below(500_000) });
    case "late":
      return whileItLasts({ latencyMs: 50, jitterMs: random.below(150) });
    case "refuse":
      relay.reset();
      return whileItLasts({ welcome: "refused" });
    case "shortLived":
      return whileItLasts({ resetAfterBytes: 2_000 + random.below(200_000) });
    default:
      return kind satisfies never;
  }
}
