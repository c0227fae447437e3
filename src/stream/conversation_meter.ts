/** So many messages, or so long, and it is said what they were. */
const PERIOD_COUNT = 3;
const PERIOD_MS = 250;

/** Keys, their echoes, a pointer's moves are no longer than that on average. */
const MEAN_MAX_BYTES = 1024;

/**
 * Tells a conversation, in which somebody waits for each message, from bulk:
 * its messages are short. A desktop's picture is bulk while it moves.
 */
export class ConversationMeter {
  /** Undefined before the first message, which alone says nothing. */
  #periodStartMs: number | undefined;
  #periodOffset = 0;
  #messageCount = 0;

  /**
   * Notes a message that ends at `offset`. Returns true if it is the last of a
   * period whose messages were a conversation.
   */
  received(offset: number, nowMs: number): boolean {
    this.#periodStartMs ??= nowMs;
    this.#messageCount++;
    const isOver = this.#messageCount >= PERIOD_COUNT ||
      nowMs - this.#periodStartMs >= PERIOD_MS;
    if (!isOver) return false;
    const bytes = offset - this.#periodOffset;
    const isShort = bytes <= this.#messageCount * MEAN_MAX_BYTES;
    this.#periodStartMs = nowMs;
    this.#periodOffset = offset;
    this.#messageCount = 0;
    return isShort;
  }
}
