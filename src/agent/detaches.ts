import type { Clock } from "../base/clock.ts";
import type { DetachNews } from "../protocol/control.ts";

/** How often tunnels have lost their links since the agent began. */
export interface DetachCounts {
  /** They went on over a new link. */
  readonly resumedCount: number;
  /** What was sent once more for that. */
  readonly replayedBytes: number;
  /** The detach time was over before a new link stood. */
  readonly expiredCount: number;
}

/** Which tunnels have no link at present, and what became of others. */
export class Detaches {
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** One entry for each tunnel without a link: milliseconds since 1970. */
  readonly #sinceMs = new Map<string, number>();
  #counts: DetachCounts = {
    resumedCount: 0,
    replayedBytes: 0,
    expiredCount: 0,
  };

  /** What the gateway was told of the counts. */
  #told: DetachCounts = this.#counts;

  /** @param changed Told whenever a tunnel has lost its link, or has another. */
  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  get counts(): DetachCounts {
    return this.#counts;
  }

  /** Since when the tunnel is without a link; undefined: it has one. */
  sinceMs(tunnelId: string): number | undefined {
    return this.#sinceMs.get(tunnelId);
  }

  /** What the gateway has not been told yet, once; undefined: nothing. */
  takeNews(): DetachNews | undefined {
    const { expiredCount, replayedBytes } = this.#counts;
    const expired = expiredCount - this.#told.expiredCount;
    const newBytes = replayedBytes - this.#told.replayedBytes;
    this.#told = this.#counts;
    if (expired === 0 && newBytes === 0) return undefined;
    return { expired, replayed_bytes: newBytes };
  }

  lost(tunnelId: string): void {
    this.#sinceMs.set(tunnelId, this.#clock.wallNow());
    this.#changed();
  }

  back(tunnelId: string, replayedBytes: number): void {
    this.#sinceMs.delete(tunnelId);
    const { counts } = this;
    this.#counts = {
      ...counts,
      resumedCount: counts.resumedCount + 1,
      replayedBytes: counts.replayedBytes + replayedBytes,
    };
    this.#changed();
  }

  /** The tunnel is over. @param isStopped Because the agent is. */
  ended(tunnelId: string, isStopped: boolean): void {
    if (!this.#sinceMs.delete(tunnelId) || isStopped) return;
    const expiredCount = this.#counts.expiredCount + 1;
    this.#counts = { ...this.#counts, expiredCount };
  }
}
