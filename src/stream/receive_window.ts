import { WINDOW_INITIAL_BYTES, WINDOW_MAX_BYTES } from "../protocol/limits.ts";
import { ConversationMeter } from "./conversation_meter.ts";
import type { WindowBudget } from "./window_budget.ts";

/**
 * Room for a window that has just been proven too small, and for the round
 * trips in which a lost packet holds up all behind it: ours to choose.
 */
const GROWTH_FACTOR = 4;

/**
 * Where the round is short, a loss is soon mended, and what is under way waits
 * for processes: more of it only makes their other tunnels wait.
 */
const SHORT_ROUND_MS = 5;
const SHORT_GROWTH_FACTOR = 2;

/**
 * What is granted there beside a conversation. All that is under way, each
 * process on the way has to do before it comes to the next key.
 */
const CONSIDERATE_BYTES = 128 * 1024;

/** From a grant until the first byte that only this grant allowed. */
interface Round {
  /** What the sender could reach without the grant. */
  readonly limitOffset: number;
  readonly startOffset: number;
  readonly startMs: number;
}

/**
 * How many bytes the other side may have under way.
 *
 * Grows to four times the bandwidth-delay product, twice on a short path, as
 * measured here: the time from a grant to the first byte beyond the previous
 * limit is never less than the round trip, and the bytes that came meanwhile
 * over that time are the rate.
 * A fast local path thus keeps a small window, a long one gets what it fills.
 */
export class ReceiveWindow {
  readonly #budget: WindowBudget;
  readonly #meter = new ConversationMeter();
  #sizeBytes = WINDOW_INITIAL_BYTES;
  #grantedBytes = WINDOW_INITIAL_BYTES;
  #limitOffset = WINDOW_INITIAL_BYTES;
  #round: Round | undefined;
  #roundTripMinMs = Infinity;
  #rateMaxBytesPerMs = 0;

  constructor(budget: WindowBudget) {
    this.#budget = budget;
  }

  /** What it has grown to. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** What was granted last: less, beside a conversation. */
  get grantedBytes(): number {
    return this.#grantedBytes;
  }

  /** The first offset that the sender may not reach yet. */
  get limitOffset(): number {
    return this.#limitOffset;
  }

  /** Notes that an acknowledgement of `deliveredOffset` leaves now. */
  grant(deliveredOffset: number, receivedOffset: number, nowMs: number): void {
    this.#round ??= {
      limitOffset: this.#limitOffset,
      startOffset: receivedOffset,
      startMs: nowMs,
    };
    const isConsiderate = this.#isShort && this.#budget.hasConversation(nowMs);
    this.#grantedBytes = isConsiderate
      ? Math.min(CONSIDERATE_BYTES, this.#sizeBytes)
      : this.#sizeBytes;
    // What was granted once is not taken back.
    this.#limitOffset = Math.max(
      this.#limitOffset,
      deliveredOffset + this.#grantedBytes,
    );
  }

  /** Notes that all bytes below `receivedOffset` are here. */
  received(receivedOffset: number, nowMs: number): void {
    if (this.#meter.received(receivedOffset, nowMs)) {
      this.#budget.conversed(nowMs);
    }
    const round = this.#round;
    if (!round || receivedOffset <= round.limitOffset) return;
    this.#round = undefined;
    const elapsedMs = nowMs - round.startMs;
    if (elapsedMs <= 0) return;
    const rate = (receivedOffset - round.startOffset) / elapsedMs;
    this.#roundTripMinMs = Math.min(this.#roundTripMinMs, elapsedMs);
    this.#rateMaxBytesPerMs = Math.max(this.#rateMaxBytesPerMs, rate);
    const factor = this.#isShort ? SHORT_GROWTH_FACTOR : GROWTH_FACTOR;
    this.#growTo(factor * this.#rateMaxBytesPerMs * this.#roundTripMinMs);
  }

  /** Gives the process back what this window took. */
  release(): void {
    this.#budget.giveBack(this.#sizeBytes - WINDOW_INITIAL_BYTES);
    this.#sizeBytes = this.#grantedBytes = WINDOW_INITIAL_BYTES;
  }

  get #isShort(): boolean {
    return this.#roundTripMinMs < SHORT_ROUND_MS;
  }

  #growTo(targetBytes: number): void {
    const wantedBytes = Math.min(WINDOW_MAX_BYTES, Math.round(targetBytes)) -
      this.#sizeBytes;
    if (wantedBytes > 0) this.#sizeBytes += this.#budget.take(wantedBytes);
  }
}
