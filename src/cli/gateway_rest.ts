import type { Clock } from "../base/clock.ts";
import { CountedGarbage } from "../runtime/counted_garbage.ts";

/** So many agents leave a heap that is worth shrinking. */
const MANY_COUNT = 128;

/** When nobody has come for so long, what coming took is not used soon. */
const REST_AFTER_MS = 5_000;

const SHRINK_MS = 1_000;

export interface GatewayRestPorts {
  readonly clock: Clock;
  /** Garbage may gather while streams flow, or not. */
  readonly holdBallast: () => void;
  readonly dropBallast: () => void;
  /** Begins to, beside what else is done. */
  readonly collectGarbage: () => void;
  /** Begins to; everything else waits some 20 ms. */
  readonly shrinkHeap: () => void;
  readonly giveBackPages: () => void;
}

/**
 * Keeps a gateway small to which many agents come at once. What stays of each
 * is little, but lies between what its coming took, and the blocks of memory
 * in which it lies stay: fewer, if that is collected in between.
 */
export class GatewayRest {
  readonly #ports: GatewayRestPorts;
  #cameCount = 0;
  /** Of them, before the heap was shrunk the last time. */
  #restedCount = 0;
  #isCarrying = false;
  readonly #agentGarbage: CountedGarbage;
  readonly #tunnelGarbage: CountedGarbage;

  constructor(ports: GatewayRestPorts) {
    this.#ports = ports;
    this.#agentGarbage = new CountedGarbage(ports.collectGarbage);
    this.#tunnelGarbage = new CountedGarbage(ports.collectGarbage);
  }

  /** What a gateway is to tell it. */
  get ears(): { agentCame: () => void; tunnelOpened: () => void } {
    return {
      agentCame: () => this.agentCame(),
      tunnelOpened: () => this.tunnelOpened(),
    };
  }

  /** An agent is online that was not. */
  agentCame(): void {
    this.#cameCount++;
    this.#agentGarbage.add(1);
  }

  /** A tunnel is open that was not. */
  tunnelOpened(): void {
    this.#isCarrying = true;
    this.#tunnelGarbage.add(1);
    this.#ports.holdBallast();
  }

  /**
   * Shrinks the heap after many have come, when no more do. Not while a tunnel
   * is open, whose code would be dropped.
   *
   * @throws `signal.reason`
   */
  async run(
    gateway: { readonly tunnelCount: number },
    signal: AbortSignal,
  ): Promise<never> {
    for (;;) {
      const cameCount = this.#cameCount;
      await this.#ports.clock.sleep(REST_AFTER_MS, signal);
      if (gateway.tunnelCount > 0) continue;
      if (this.#isCarrying) this.#ports.dropBallast();
      this.#isCarrying = false;
      const isQuiet = cameCount === this.#cameCount;
      if (!isQuiet || cameCount - this.#restedCount < MANY_COUNT) continue;
      this.#restedCount = cameCount;
      this.#ports.shrinkHeap();
      // Shrinking itself touches what is given back.
      await this.#ports.clock.sleep(SHRINK_MS, signal);
      this.#ports.giveBackPages();
    }
  }
}
