import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";

/** A tunnel that runs, as `status` shows it. */
export interface RunningTunnel {
  readonly id: string;
  readonly service: string;
  readonly operator: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** All that operators have open on this device, and how much it may be. */
export class RunningTunnels {
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #all = new Set<RunningTunnel>();
  #maxCount: number;

  /** @param changed Told whenever one has begun or ended. */
  constructor(maxCount: number, clock: Clock, changed: () => void) {
    this.#maxCount = maxCount;
    this.#clock = clock;
    this.#changed = changed;
  }

  get all(): readonly RunningTunnel[] {
    return [...this.#all];
  }

  /** Sets how many there may be; those that are there may stay. */
  limitTo(maxCount: number): void {
    this.#maxCount = maxCount;
  }

  /**
   * Counts one more. Returns what is to be called once when it has ended.
   *
   * @throws {Fault} `quotaExceeded`.
   */
  begin(tunnel: Omit<RunningTunnel, "sinceMs">): () => void {
    if (this.#all.size >= this.#maxCount) {
      const limit = `${this.#maxCount} tunnels open, its limit`;
      throw new Fault("quotaExceeded", `The agent has ${limit}`);
    }
    const running = { ...tunnel, sinceMs: this.#clock.wallNow() };
    this.#all.add(running);
    this.#changed();
    return () => {
      this.#all.delete(running);
      this.#changed();
    };
  }
}
