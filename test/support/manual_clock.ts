import type { Clock } from "../../src/base/clock.ts";

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** Midnight of some day, so that no test leans on the real one. */
const WALL_START_MS = Date.UTC(2026, 0, 1);

/** A clock that moves only when told to, and then wakes sleepers in order. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #wallAheadMs = WALL_START_MS;
  readonly #sleepers = new Set<Sleeper>();

  /** Durations asked for so far, in milliseconds. */
  readonly sleptMs: number[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs + this.#wallAheadMs;
  }

  /** How many are asleep: nobody may be once a test is over. */
  get sleeperCount(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleptMs.push(ms);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const stop = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const sleeper = { dueMs: this.#nowMs + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  /**
   * Moves on by `ms`, stopping at each sleeper that is due on the way, and
   * lets everything run that follows from it.
   */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#firstDue(targetMs);
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#sleepers.delete(next);
      next.wake();
      await settle();
    }
    this.#nowMs = targetMs;
    await settle();
  }

  /**
   * The whole process stands still for `ms` and goes on: one that the
   * scheduler forgot, or a machine whose monotonic clock counts its sleep.
   */
  async stall(ms: number): Promise<void> {
    this.#nowMs += ms;
    await this.advance(0);
  }

  /** The machine sleeps: on Linux, only the wall clock sees it. */
  sleepMachine(ms: number): void {
    this.#wallAheadMs += ms;
  }

  #firstDue(targetMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.dueMs > targetMs) continue;
      if (!first || sleeper.dueMs < first.dueMs) first = sleeper;
    }
    return first;
  }
}

/** Lets run whatever is ready, and what follows from it. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
