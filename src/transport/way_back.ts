import type { Clock } from "../base/clock.ts";
import { Fault, FAULTS } from "../protocol/fault.ts";
import { dialAbreast } from "./dial_abreast.ts";
import type { Link } from "./link.ts";
import type { ReturnTicket } from "./reopen.ts";

/** docs/PROTOCOL.md §10: at once, then up to 100 ms, doubling to 2 s. */
const REDIAL_BASE_MS = 50;
const REDIAL_CAP_MS = 2_000;

/** How long to wait for a new link, unless the gateway says otherwise. */
const DETACH_DEFAULT_MS = 60_000;

/** A link that has stood so long works, even if nothing was said over it. */
const PROVEN_AFTER_MS = 5_000;

/** Who has waited so long at a gateway need not wait before it comes again. */
const PATIENT_AFTER_MS = 1_000;

/** How a stream gets a new link in the place of a lost one. */
export interface ResumePorts {
  /** Dials with the token of `joined`. @throws {Fault} */
  readonly dial: (token: string, signal: AbortSignal) => Promise<Link>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /**
   * How long an end that is complete stays for the other one, whose link was
   * lost with the goodbye; never longer than the detach time.
   */
  readonly lingerMs: number;
  /** The link is gone; a new one is being dialed. */
  readonly lost: (fault: Fault) => void;
  /** The stream goes on, `ms` after its link was lost; so much is sent again. */
  readonly back: (ms: number, replayedBytes: number) => void;
}

/** Who wants a new link. */
export interface WayBackOwner {
  /** Called once for each time of {@linkcode WayBack.seek}, or `gaveUp` is. */
  arrived(link: Link): void;
  /** The time is over, or it is no use. May come while a link is joining. */
  gaveUp(fault: Fault): void;
}

/** The time without a link that is known to work. */
interface Absence {
  /** How the last link that worked was lost, and when. */
  readonly fault: Fault;
  readonly atMs: number;
  /** How far both directions were then. */
  readonly reachedBytes: number;
  attemptCount: number;
}

/** How a stream comes back after its link was lost, as often as that is. */
export class WayBack {
  readonly #clock: Clock;
  readonly #resume: ResumePorts;
  readonly #owner: WayBackOwner;
  readonly #over: AbortSignal;
  #absence: Absence | undefined;
  /** Aborts the wait for the end of the detach time; undefined: none waits. */
  #wait: AbortController | undefined;
  #backAtMs = 0;
  /** When the last new link stood; Infinity: there was none. */
  #arrivedAtMs = Infinity;

  /** @param over Aborts when the stream has ended, and nothing is sought. */
  constructor(
    clock: Clock,
    resume: ResumePorts,
    owner: WayBackOwner,
    over: AbortSignal,
  ) {
    this.#clock = clock;
    this.#resume = resume;
    this.#owner = owner;
    this.#over = over;
  }

  /** Whether a link was lost, and no other one has come back yet. */
  get isAway(): boolean {
    return this.#wait !== undefined;
  }

  /**
   * A link that worked was lost.
   *
   * @param reachedBytes Grows with all that reaches one of the two programs.
   */
  lost(fault: Fault, reachedBytes: number, detachMs = DETACH_DEFAULT_MS): void {
    const nowMs = this.#clock.now();
    const last = this.#absence;
    // One that came and was of no use does not begin the time anew.
    const isProven = !last || reachedBytes > last.reachedBytes ||
      nowMs - this.#backAtMs >= PROVEN_AFTER_MS;
    const absence = isProven
      ? { fault, atMs: nowMs, reachedBytes, attemptCount: 0 }
      : last;
    this.#absence = absence;
    this.#wait = new AbortController();
    this.#resume.lost(fault);
    const leftMs = Math.max(0, absence.atMs + detachMs - nowMs);
    void this.#giveUpAfter(leftMs, absence.fault, this.#wait.signal);
  }

  /** Dials until a link stands, or it is no use. */
  async seek({ resume_token: token }: ReturnTicket): Promise<void> {
    const absence = this.#absence;
    if (!absence || token === undefined) return;
    if (this.#clock.now() - this.#arrivedAtMs >= PATIENT_AFTER_MS) {
      absence.attemptCount = Math.min(absence.attemptCount, 1);
    }
    try {
      for (;;) {
        this.#over.throwIfAborted();
        const attempt = absence.attemptCount++;
        const capMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** attempt);
        const waitMs = this.#resume.random() * capMs;
        if (attempt > 0) await this.#clock.sleep(waitMs, this.#over);
        const link = await this.#dial(token);
        if (!link) continue;
        this.#arrivedAtMs = this.#clock.now();
        return this.#owner.arrived(link);
      }
    } catch (error) {
      this.#owner.gaveUp(Fault.from(error));
    }
  }

  /** The stream goes on over a new link. */
  back(replayedBytes: number): void {
    this.#wait?.abort();
    this.#wait = undefined;
    this.#backAtMs = this.#clock.now();
    const ms = this.#backAtMs - (this.#absence?.atMs ?? this.#backAtMs);
    this.#resume.back(Math.round(ms), replayedBytes);
  }

  async #giveUpAfter(
    ms: number,
    fault: Fault,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#clock.sleep(ms, AbortSignal.any([this.#over, signal]));
    } catch {
      return; // A new link has come, or the stream is over.
    }
    this.#owner.gaveUp(fault);
  }

  /** @throws {Fault} One that another attempt would not mend. */
  async #dial(token: string): Promise<Link | undefined> {
    try {
      return await dialAbreast(
        (signal) => this.#resume.dial(token, signal),
        this.#clock,
        this.#over,
      );
    } catch (error) {
      this.#over.throwIfAborted();
      const fault = Fault.from(error);
      if (FAULTS[fault.code].retry === "backoff") return undefined;
      throw fault;
    }
  }
}
