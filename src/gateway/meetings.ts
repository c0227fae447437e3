import { Fault } from "../protocol/fault.ts";
import type { Link } from "../transport/link.ts";
import { closeNormally, closeWithFault } from "../transport/link_end.ts";
import type { Admitted } from "./admit.ts";

export type End = "agent" | "operator";

/** One end that has come back, and waits for the other. */
export interface Returned {
  readonly link: Link;
  readonly caller: Admitted;
}

interface Waiting {
  readonly end: End;
  readonly returned: Returned;
  /** Looks whether there is still something to wait for. */
  readonly recheck: () => void;
  /** Takes it away: it has met the other end, or is not wanted any more. */
  readonly leave: () => void;
}

/** Finished tunnels that are remembered, for an end that missed the goodbye. */
const FINISHED_MAX_COUNT = 10_000;

/** Where the two ends of a tunnel meet again. Memory only: see ADR 0012. */
export class Meetings {
  readonly #waiting = new Map<string, Waiting>();
  readonly #active = new Map<string, (fault: Fault) => void>();
  /** In the order in which they finished. */
  readonly #finished = new Set<string>();

  get waitingCount(): number {
    return this.#waiting.size;
  }

  isFinished(tunnelId: string): boolean {
    return this.#finished.has(tunnelId);
  }

  /** A tunnel is being relayed here, until what is returned is called. */
  relaying(
    tunnelId: string,
    cut: (fault: Fault) => void,
  ): (isFinished: boolean) => void {
    this.#active.set(tunnelId, cut);
    return (isFinished) => {
      if (this.#active.get(tunnelId) === cut) this.#active.delete(tunnelId);
      if (isFinished) this.#remember(tunnelId);
    };
  }

  /**
   * An end has come back. Returns the other one, if it is here already;
   * else waits until it comes, and returns undefined: it takes both then.
   *
   * @param recheck Called when a device has come online: aborts `gone` if
   * there is nothing to wait for any more.
   * @param gone Aborts when the link of this end, or its time, is over.
   */
  async meet(
    tunnelId: string,
    end: End,
    returned: Returned,
    recheck: () => void,
    gone: AbortSignal,
  ): Promise<Returned | undefined> {
    // Somebody who dials anew knows that the old links are dead.
    this.#active.get(tunnelId)?.(
      new Fault("peerGone", "The other end comes back over a new link"),
    );
    const other = this.#waiting.get(tunnelId);
    if (other && other.end !== end) {
      other.leave();
      return other.returned;
    }
    if (other) {
      other.leave();
      const fault = new Fault("linkReplaced", "A newer link of this end came");
      closeWithFault(other.returned.link, fault);
    }
    await this.#wait(tunnelId, { end, returned, recheck }, gone);
    return undefined;
  }

  async #wait(
    tunnelId: string,
    who: Omit<Waiting, "leave">,
    gone: AbortSignal,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = {
      ...who,
      leave: () => {
        if (this.#waiting.get(tunnelId) === waiting) {
          this.#waiting.delete(tunnelId);
        }
        resolve();
      },
    };
    this.#waiting.set(tunnelId, waiting);
    gone.addEventListener("abort", waiting.leave, { once: true });
    if (gone.aborted) waiting.leave();
    await promise;
    gone.removeEventListener("abort", waiting.leave);
  }

  /** A device has come online: some may wait in vain from now on. */
  recheck(): void {
    for (const waiting of [...this.#waiting.values()]) waiting.recheck();
  }

  #remember(tunnelId: string): void {
    // It came back before we knew that there is nothing to come back to.
    const waiting = this.#waiting.get(tunnelId);
    waiting?.leave();
    if (waiting) closeNormally(waiting.returned.link);
    this.#finished.add(tunnelId);
    if (this.#finished.size <= FINISHED_MAX_COUNT) return;
    const [oldest] = this.#finished;
    if (oldest !== undefined) this.#finished.delete(oldest);
  }
}
