import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

/** One line in this time at most: a relay can say as much as it likes. */
const LINE_EVERY_MS = 60_000;

/** Writes down that something came which we do not understand. */
export class V1Ignorance {
  readonly #clock: Clock;
  readonly #log: Log;
  #nextLineMs = -Infinity;
  #count = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param why Harmless text. */
  ignored(why: string): void {
    this.#count++;
    const nowMs = this.#clock.now();
    if (nowMs < this.#nextLineMs) return;
    this.#nextLineMs = nowMs + LINE_EVERY_MS;
    // Those since the last line, this one among them.
    this.#log.warn("message.ignored", { why, count: this.#count });
    this.#count = 0;
  }
}
