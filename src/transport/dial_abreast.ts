import type { Clock } from "../base/clock.ts";
import { Fault, FAULTS } from "../protocol/fault.ts";
import type { Link } from "./link.ts";
import { closeWithFault } from "./link_end.ts";

/** A dial that hangs for so long does not keep the next one waiting. */
const ABREAST_EVERY_MS = 2_500;
const ABREAST_MAX_COUNT = 4;

export type Dial = (signal: AbortSignal) => Promise<Link>;

/**
 * Dials, and where an answer is long in coming dials once more beside it: a
 * network that swallowed the first attempt may carry the next one. Returns
 * the link that stands first; the other attempts are given up.
 *
 * @throws {Fault} When none is left, how the last one failed; at once, one
 * that another attempt would not mend.
 * @throws `signal.reason` once aborted.
 */
export function dialAbreast(
  dial: Dial,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    new Attempts(dial, clock, signal, resolve, reject).begin();
  });
}

class Attempts {
  readonly #dial: Dial;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: unknown) => void;
  readonly #over = new AbortController();
  #count = 0;

  constructor(
    dial: Dial,
    clock: Clock,
    signal: AbortSignal,
    resolve: (link: Link) => void,
    reject: (error: unknown) => void,
  ) {
    this.#dial = dial;
    this.#clock = clock;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    if (this.#signal.aborted) return this.#reject(this.#signal.reason);
    this.#signal.addEventListener("abort", this.#stop, { once: true });
    void this.#try();
    void this.#repeat();
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#over;
    try {
      for (;;) {
        await this.#clock.sleep(ABREAST_EVERY_MS, signal);
        if (this.#count < ABREAST_MAX_COUNT) void this.#try();
      }
    } catch {
      // One stands, or all have failed.
    }
  }

  async #try(): Promise<void> {
    this.#count++;
    const { signal } = this.#over;
    try {
      const link = await this.#dial(signal);
      if (signal.aborted) return closeWithFault(link, this.#tooLate());
      this.#end(() => this.#resolve(link));
    } catch (error) {
      this.#count--;
      const isMendable = FAULTS[Fault.from(error).code].retry === "backoff";
      if (isMendable && this.#count > 0) return;
      this.#end(() => this.#reject(error));
    }
  }

  readonly #stop = (): void => {
    this.#end(() => this.#reject(this.#signal.reason));
  };

  #tooLate(): Fault {
    const { aborted, reason } = this.#signal;
    return aborted ? Fault.from(reason) : LATE;
  }

  #end(tell: () => void): void {
    if (this.#over.signal.aborted) return;
    this.#signal.removeEventListener("abort", this.#stop);
    tell();
    this.#over.abort(LATE);
  }
}

const LATE = new Fault("linkLost", "Another link stood first");
