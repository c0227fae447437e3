import type { AgentState } from "../agent/agent.ts";
import type { Clock } from "../base/clock.ts";
import { CountedGarbage } from "../runtime/counted_garbage.ts";

/** After it, what a start or a tunnel has used is not used again soon. */
const REST_AFTER_MS = 10_000;

const SHRINK_MS = 1_000;

export interface RestPorts {
  readonly clock: Clock;
  /** Code that runs often is worth compiling, or is not. */
  readonly allowJit: () => void;
  readonly spareJit: () => void;
  /** Garbage may gather while streams flow, or not. */
  readonly holdBallast: () => void;
  readonly dropBallast: () => void;
  /** Begins to, beside what else is done. */
  readonly collectGarbage: () => void;
  /** Begins to; it takes a moment. */
  readonly shrinkHeap: () => void;
  readonly giveBackPages: () => void;
}

/**
 * Makes an agent small while it has no tunnel, which is nearly always, and
 * fast as soon as it has one.
 */
export class AgentRest {
  readonly #ports: RestPorts;
  readonly #garbage: CountedGarbage;
  #openCount = 0;
  #stop = new AbortController();

  constructor(ports: RestPorts) {
    this.#ports = ports;
    this.#garbage = new CountedGarbage(ports.collectGarbage);
    void this.#rest();
  }

  /** Told of each change of the agent's state. */
  show({ tunnels }: Pick<AgentState, "tunnels">): void {
    const wasBusy = this.#openCount > 0;
    const isBusy = tunnels.length > 0;
    this.#garbage.add(Math.max(0, this.#openCount - tunnels.length));
    this.#openCount = tunnels.length;
    if (isBusy === wasBusy) return;
    this.#stop.abort();
    if (isBusy) return this.#work();
    this.#stop = new AbortController();
    void this.#rest();
  }

  #work(): void {
    this.#ports.allowJit();
    this.#ports.holdBallast();
  }

  async #rest(): Promise<void> {
    const { clock, dropBallast, giveBackPages, shrinkHeap, spareJit } =
      this.#ports;
    const { signal } = this.#stop;
    try {
      await clock.sleep(REST_AFTER_MS, signal);
      spareJit();
      dropBallast();
      shrinkHeap();
      // Shrinking itself touches what is given back.
      await clock.sleep(SHRINK_MS, signal);
      giveBackPages();
    } catch (error) {
      // A tunnel has come before.
      if (!signal.aborted) throw error;
    }
  }
}
