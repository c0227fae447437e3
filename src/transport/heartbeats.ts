import type { Clock } from "../base/clock.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import { Doubt, type Doubter } from "./doubt.ts";

/** How often the books are looked through: ours to choose. */
const TICK_MS = 1_500;
/** And while somebody wants to know early. */
const DOUBT_TICK_MS = 500;
/** A tick this late means that the machine, or this process, has slept. */
const ASLEEP_AFTER_MS = 3_000;
/** How long an answer may take after a sleep, before the link counts as dead. */
const PROBE_TIMEOUT_MS = 2_000;

/** One link, as seen by the heartbeats. */
export interface Watched {
  /** Says something to the peer; with `echo`, something it must answer. */
  beat(echo: boolean): void;
  /** True while we ourselves do not read: silence then proves nothing. */
  paused(): boolean;
  /** The peer has been silent for too long. Called once. */
  silent(silentMs: number): void;
  /** Who wants to know long before that; undefined: nobody does. */
  readonly doubter?: Doubter | undefined;
}

/** What the owner of a link tells the heartbeats. */
export interface Watch {
  /** Any byte is life. Cheap enough for every message. */
  heard(): void;
  /** As above; it may be the answer that the peer was asked for. */
  answered(): void;
  /** Must be called when the link ends. */
  stop(): void;
}

/** What to do when this process finds that it has slept. */
export type AfterSleep =
  /** Ask each peer at once: an agent's or operator's few links. */
  | "probe"
  /** Give each peer its full time again: a gateway's many. */
  | "forgive";

/**
 * Keeps all links of a process alive, and notices those that are not.
 *
 * One timer for all of them: ten thousand links cost one wake-up a tick.
 */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #afterSleep: AfterSleep;
  readonly #network: () => string;
  readonly #entries = new Set<Entry>();

  /**
   * @param network Says something else whenever this machine's addresses have
   * changed: links over one that is gone are dead, and nobody is told.
   */
  constructor(
    clock: Clock,
    afterSleep: AfterSleep,
    network: () => string = () => "",
  ) {
    this.#clock = clock;
    this.#afterSleep = afterSleep;
    this.#network = network;
  }

  watch(watched: Watched, values: HeartbeatValues): Watch {
    const entry = new Entry(watched, values, this.#clock, this.#entries);
    this.#entries.add(entry);
    return entry;
  }

  /**
   * A link of this process was found dead while another could be had: asks
   * all others that nobody doubts, as after a sleep.
   */
  suspect(): void {
    for (const entry of this.#entries) {
      if (!entry.watched.doubter) entry.probe();
    }
  }

  /** Ticks until `signal` aborts. @throws `signal.reason` */
  async run(signal: AbortSignal): Promise<never> {
    let network = this.#network();
    for (;;) {
      const monotonicMs = this.#clock.now();
      const wallMs = this.#clock.wallNow();
      const tickMs = this.#tickMs();
      await this.#clock.sleep(tickMs, signal);
      const sleptMs = Math.max(
        this.#clock.now() - monotonicMs,
        this.#clock.wallNow() - wallMs,
      );
      const lastNetwork = network;
      network = this.#network();
      const slept = sleptMs > tickMs + ASLEEP_AFTER_MS;
      this.#tick(slept, network !== lastNetwork);
    }
  }

  #tickMs(): number {
    for (const { watched } of this.#entries) {
      if (watched.doubter) return DOUBT_TICK_MS;
    }
    return TICK_MS;
  }

  #tick(slept: boolean, moved: boolean): void {
    for (const entry of [...this.#entries]) {
      // One link's end may have stopped the watch over another.
      if (!this.#entries.has(entry)) continue;
      if (slept) entry.woke(this.#afterSleep);
      else if (moved) entry.probe();
      const silentMs = entry.tick();
      if (silentMs === undefined) continue;
      this.#entries.delete(entry);
      entry.watched.silent(silentMs);
    }
  }
}

/** All that the heartbeats keep of one link. */
class Entry implements Watch {
  readonly watched: Watched;
  readonly #values: HeartbeatValues;
  readonly #clock: Clock;
  readonly #all: Set<Entry>;
  readonly #doubt: Doubt | undefined;
  #heardAtMs: number;
  #saidAtMs: number;
  /** Set while an answer is due that proves the link alive. */
  #probedAtMs: number | undefined;

  constructor(
    watched: Watched,
    values: HeartbeatValues,
    clock: Clock,
    all: Set<Entry>,
  ) {
    this.watched = watched;
    this.#values = values;
    this.#clock = clock;
    this.#all = all;
    this.#heardAtMs = clock.now();
    this.#saidAtMs = this.#heardAtMs;
    const { doubter } = watched;
    this.#doubt = doubter && new Doubt(doubter, this.#heardAtMs);
  }

  heard(): void {
    this.#isAlive(false);
  }

  answered(): void {
    this.#isAlive(true);
  }

  stop(): void {
    this.#all.delete(this);
  }

  woke(afterSleep: AfterSleep): void {
    if (afterSleep === "forgive") return this.heard();
    // An answer that was due before could not come while we slept.
    this.#probedAtMs = undefined;
    this.#doubt?.forgive(this.#clock.now());
    this.probe();
  }

  /** Asks for an answer, unless one is due already. */
  probe(): void {
    if (this.#probedAtMs !== undefined) return;
    this.#probedAtMs = this.#clock.now();
    this.#saidAtMs = this.#probedAtMs;
    this.watched.beat(true);
  }

  /** Beats if it is time. Returns how long a dead peer was silent, in ms. */
  tick(): number | undefined {
    const nowMs = this.#clock.now();
    if (this.watched.paused()) this.heard();
    const silentMs = nowMs - this.#heardAtMs;
    // Silence while we were asleep proves nothing: the probe decides alone.
    const isDead = this.#probedAtMs === undefined
      ? silentMs >= this.#values.timeout_ms
      : nowMs - this.#probedAtMs >= PROBE_TIMEOUT_MS;
    if (isDead) return silentMs;
    if (this.#doubt?.tick(nowMs)) {
      this.#saidAtMs = nowMs;
      this.watched.beat(true);
      return undefined;
    }
    // The next tick may come late by one: rather early than late.
    if (nowMs - this.#saidAtMs + TICK_MS > this.#values.interval_ms) {
      this.#saidAtMs = nowMs;
      this.watched.beat(false);
    }
    return undefined;
  }

  #isAlive(isAnswer: boolean): void {
    this.#heardAtMs = this.#clock.now();
    this.#probedAtMs = undefined;
    this.#doubt?.heard(this.#heardAtMs, isAnswer);
  }
}
