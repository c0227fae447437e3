/**
 * A link that does not prove that it carries both ways is asked for an answer;
 * while it owes one it is doubted, long before it counts as dead. All ours to
 * choose.
 */

/** How soon it is asked: while its stream moves, and while it rests. */
const ASK_ACTIVE_MS = 1_000;
const ASK_RESTING_MS = 6_000;
const RESTING_AFTER_MS = 30_000;

/** How long the answer may take. */
const ANSWER_MS = 2_000;

/**
 * Beside bulk it waits for what is under way: on a line of 8 KiB/s one
 * message of 64 KiB takes 8 s; and a MiB may wait at the gateway.
 */
const BULK_ANSWER_MS = 8_000;
const BULK_HEARD_ANSWER_MS = 20_000;
const BULK_BYTES = 8 * 1024;
const BULK_FOR_MS = 10_000;

/** What a stream has moved so far. */
export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Of what was sent: not acknowledged. */
  readonly replayBytes: number;
}

/** Who wants to know of doubts about a link. */
export interface Doubter {
  traffic(): Traffic;
  /** How much more patience it has learned to have: 1, or more. */
  patience(): number;
  /** An answer is overdue. `silentMs`: since when nothing at all was heard. */
  doubted(silentMs: number): void;
  /** It came after all. */
  trusted(): void;
}

/** What is thought of one link. */
export class Doubt {
  readonly #doubter: Doubter;
  #movedBytes = 0;
  #movedAtMs: number;
  #bulkAtMs = -Infinity;
  #acknowledgedBytes = 0;
  /** When what we say was last known to get through; now, if nothing waits. */
  #provenAtMs: number;
  #heardAtMs: number;
  /** Undefined: it owes no answer. */
  #askedAtMs: number | undefined;
  #isDoubted = false;

  constructor(doubter: Doubter, nowMs: number) {
    this.#doubter = doubter;
    this.#movedAtMs = this.#provenAtMs = this.#heardAtMs = nowMs;
    this.#observe(nowMs);
    this.#bulkAtMs = -Infinity;
  }

  /** Returns whether the link is to be asked for an answer now. */
  tick(nowMs: number): boolean {
    this.#observe(nowMs);
    if (this.#askedAtMs !== undefined) {
      this.#settle();
      this.#judge(nowMs);
      return false;
    }
    const isResting = nowMs - this.#movedAtMs >= RESTING_AFTER_MS;
    const askMs = isResting ? ASK_RESTING_MS : ASK_ACTIVE_MS;
    const oldestMs = Math.min(this.#heardAtMs, this.#provenAtMs);
    if (nowMs - oldestMs < askMs) return false;
    this.#askedAtMs = nowMs;
    return true;
  }

  /** Something was heard; `isAnswer`: what we have asked for. */
  heard(nowMs: number, isAnswer: boolean): void {
    this.#heardAtMs = nowMs;
    if (isAnswer) this.#provenAtMs = nowMs;
    if (this.#askedAtMs !== undefined) this.#settle();
  }

  /** Neither silence nor a missing answer proves anything until now. */
  forgive(nowMs: number): void {
    this.heard(nowMs, true);
  }

  /** It owes nothing once it is heard, and we are known to be heard. */
  #settle(): void {
    const askedAtMs = this.#askedAtMs ?? -Infinity;
    if (this.#heardAtMs < askedAtMs || this.#provenAtMs < askedAtMs) return;
    this.#askedAtMs = undefined;
    if (!this.#isDoubted) return;
    this.#isDoubted = false;
    this.#doubter.trusted();
  }

  #judge(nowMs: number): void {
    if (this.#askedAtMs === undefined || this.#isDoubted) return;
    const patience = this.#doubter.patience();
    const waitedMs = nowMs - this.#askedAtMs;
    const silentMs = nowMs - this.#heardAtMs;
    const isBulk = nowMs - this.#bulkAtMs < BULK_FOR_MS;
    const answerMs = patience * (isBulk ? BULK_ANSWER_MS : ANSWER_MS);
    // While bulk comes in, the answer to what we say is somewhere behind it.
    const heardMs = patience * (isBulk ? BULK_HEARD_ANSWER_MS : ANSWER_MS);
    const isSilent = silentMs >= answerMs && waitedMs >= answerMs;
    if (!isSilent && waitedMs < heardMs) return;
    this.#isDoubted = true;
    this.#doubter.doubted(silentMs);
  }

  #observe(nowMs: number): void {
    const { receivedBytes, replayBytes, sentBytes } = this.#doubter.traffic();
    const movedBytes = sentBytes + receivedBytes;
    const acknowledgedBytes = sentBytes - replayBytes;
    const newBytes = movedBytes - this.#movedBytes;
    if (newBytes > 0) this.#movedAtMs = nowMs;
    if (newBytes >= BULK_BYTES) this.#bulkAtMs = nowMs;
    const isHeard = acknowledgedBytes > this.#acknowledgedBytes;
    const isWaiting = replayBytes > 0 || this.#askedAtMs !== undefined;
    if (isHeard || !isWaiting) this.#provenAtMs = nowMs;
    this.#movedBytes = movedBytes;
    this.#acknowledgedBytes = acknowledgedBytes;
  }
}
