import type { Clock } from "../base/clock.ts";
import type { Fault } from "../protocol/fault.ts";
import type { Doubter, Traffic } from "./doubt.ts";
import { silenceFault } from "./link_end.ts";

/** A new link that has carried nothing may be as slow as the one before. */
const PATIENCE_MAX = 8;
/** Who was not wrong for so long trusts its first judgement again. */
const FORGET_AFTER_MS = 60_000;

/** A stream that would rather have another link than one that is silent. */
export interface ScoutOwner {
  readonly traffic: Traffic;
  /** Grows with all that reaches one of the two programs. */
  readonly reachedBytes: number;
  /** Dials beside the present link. Resolves with whether another stands. */
  readonly scout: () => Promise<boolean>;
  /** Stops that: it is not needed. */
  readonly recall: () => void;
  /** Goes on over the link that stands, in the place of the silent one. */
  readonly exchange: (fault: Fault) => void;
}

/**
 * Sees to it that a stream does not wait for a dead link to be found dead:
 * while a link is doubted, another one is dialed. Whichever is heard first is
 * used. A link that was only slow is given up in vain at most a few times.
 */
export class Scout {
  readonly #clock: Clock;
  readonly #owner: ScoutOwner;
  #patience = 1;
  #doubledAtMs = -Infinity;
  /** How far both directions had come at the last exchange. */
  #reachedBytes = -1;

  constructor(clock: Clock, owner: ScoutOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /** @param isPresent Whether that link is still the stream's. */
  doubter(isPresent: () => boolean): Doubter {
    const owner = this.#owner;
    return {
      traffic: () => owner.traffic,
      patience: () => this.#patienceNow(),
      doubted: (silentMs) => {
        void owner.scout().then((stands) => {
          if (stands && isPresent()) this.#exchange(silentMs);
        });
      },
      trusted: () => owner.recall(),
    };
  }

  #patienceNow(): number {
    const ageMs = this.#clock.now() - this.#doubledAtMs;
    if (ageMs >= FORGET_AFTER_MS) this.#patience = 1;
    return this.#patience;
  }

  #exchange(silentMs: number): void {
    const { reachedBytes } = this.#owner;
    if (reachedBytes === this.#reachedBytes) {
      this.#patience = Math.min(PATIENCE_MAX, this.#patience * 2);
      this.#doubledAtMs = this.#clock.now();
    }
    this.#reachedBytes = reachedBytes;
    this.#owner.exchange(silenceFault(silentMs));
  }
}
