/** A conversation is one until it was silent for so long. */
const CONVERSATION_MS = 1_000;

/**
 * How much all receive windows of a process may grow together, beyond the
 * initial window that each has by right; and whether they should be small now,
 * because somebody waits for what another stream of the process carries.
 */
export class WindowBudget {
  readonly maxBytes: number;
  #takenBytes = 0;
  #conversedAtMs = -Infinity;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Takes up to `bytes`; returns how many were left to take. */
  take(bytes: number): number {
    const granted = Math.max(
      0,
      Math.min(bytes, this.maxBytes - this.#takenBytes),
    );
    this.#takenBytes += granted;
    return granted;
  }

  /** Gives back what {@linkcode take} granted. */
  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
  }

  /** Notes that a stream of this process is a conversation. */
  conversed(nowMs: number): void {
    this.#conversedAtMs = nowMs;
  }

  /** Whether one is, or was a moment ago. */
  hasConversation(nowMs: number): boolean {
    return nowMs - this.#conversedAtMs < CONVERSATION_MS;
  }
}
