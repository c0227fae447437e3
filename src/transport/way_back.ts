import type { Clock } from "../base/clock.ts";
import { Fault, FAULTS } from "../protocol/fault.ts";
import { dialAbreast } from "./dial_abreast.ts";
import type { Link } from "./link.ts";
import { closeWithFault } from "./link_end.ts";
import type { ReturnTicket } from "./reopen.ts";

/** docs/PROTOCOL.md §10: at once, then up to 100 ms, doubling to 2 s. */
const REDIAL_BASE_MS = 50;
const REDIAL_CAP_MS = 2_000;
/** Between two dials beside a link that is doubted: up to so long. */
const BESIDE_CAP_MS = 1_000;

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

interface Scouting {
  readonly recall: AbortController;
  /** Undefined: it was recalled, or is no use. */
  readonly link: Promise<Link | undefined>;
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
  /** A dial beside a link that is doubted. */
  #scouting: Scouting | undefined;

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
      const scouted = this.#scouting && await this.#scouted(this.#scouting);
      if (scouted) return this.#arrived(scouted);
      for (;;) {
        this.#over.throwIfAborted();
        const attempt = absence.attemptCount++;
        const capMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** attempt);
        const waitMs = this.#resume.random() * capMs;
        if (attempt > 0) await this.#clock.sleep(waitMs, this.#over);
        const link = await this.#dial(token, this.#over);
        if (link) return this.#arrived(link);
      }
    } catch (error) {
      this.#owner.gaveUp(Fault.from(error));
    }
  }

  /**
   * Dials beside a link that is not lost, until another one stands; that one
   * is what {@linkcode seek} finds then. Returns whether one does.
   */
  async scout({ resume_token: token }: ReturnTicket): Promise<boolean> {
    if (token === undefined || this.#scouting) return false;
    const recall = new AbortController();
    const signal = AbortSignal.any([this.#over, recall.signal]);
    const scouting = { recall, link: this.#dialBeside(token, signal) };
    this.#scouting = scouting;
    const link = await scouting.link;
    if (link && !signal.aborted) return true;
    if (this.#scouting === scouting) this.recall();
    return false;
  }

  /** The link that was doubted is good. */
  recall(): void {
    const scouting = this.#scouting;
    this.#scouting = undefined;
    scouting?.recall.abort(NOT_NEEDED);
    void scouting?.link.then((link) =>
      link && closeWithFault(link, NOT_NEEDED)
    );
  }

  /** The stream goes on over a new link. */
  back(replayedBytes: number): void {
    this.#wait?.abort();
    this.#wait = undefined;
    this.#backAtMs = this.#clock.now();
    const ms = this.#backAtMs - (this.#absence?.atMs ?? this.#backAtMs);
    this.#resume.back(Math.round(ms), replayedBytes);
  }

  #arrived(link: Link): void {
    this.#arrivedAtMs = this.#clock.now();
    this.#owner.arrived(link);
  }

  async #scouted(scouting: Scouting): Promise<Link | undefined> {
    const link = await scouting.link;
    if (this.#scouting === scouting) this.#scouting = undefined;
    return link;
  }

  async #dialBeside(
    token: string,
    signal: AbortSignal,
  ): Promise<Link | undefined> {
    try {
      for (;;) {
        const link = await this.#dial(token, signal);
        if (link) return link;
        const waitMs = this.#resume.random() * BESIDE_CAP_MS;
        await this.#clock.sleep(waitMs, signal);
      }
    } catch {
      return undefined; // Recalled; or the link that stands will be told why.
    }
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
  async #dial(token: string, signal: AbortSignal): Promise<Link | undefined> {
    try {
      return await dialAbreast(
        (signal) => this.#resume.dial(token, signal),
        this.#clock,
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      const fault = Fault.from(error);
      if (FAULTS[fault.code].retry === "backoff") return undefined;
      throw fault;
    }
  }
}

const NOT_NEEDED = new Fault("linkLost", "The link before it is good");
