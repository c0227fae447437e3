/** What a line does to packets, in both directions. */
export interface LineOrder {
  /** One way. */
  readonly delayMs: number;
  /** How many are lost, 0–1. */
  readonly lossShare: number;
  readonly bytesPerS: number;
  /** What waits before the line at most; the rest is dropped. */
  readonly queueMaxBytes: number;
}

/** One direction of a line, without I/O: the clock is the caller's. */
export class Lane {
  order: LineOrder = {
    delayMs: 0,
    lossShare: 0,
    bytesPerS: Infinity,
    queueMaxBytes: Infinity,
  };
  readonly #random: () => number;
  #packets: { readonly bytes: Uint8Array; readonly dueMs: number }[] = [];
  #head = 0;
  #freeMs = 0;

  /** @param random Uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** When the next packet arrives; Infinity: there is none. */
  get dueMs(): number {
    return this.#packets[this.#head]?.dueMs ?? Infinity;
  }

  /** Takes a packet that was sent at `nowMs`, or loses it. */
  push(bytes: Uint8Array, nowMs: number): void {
    const { bytesPerS, delayMs, lossShare, queueMaxBytes } = this.order;
    if (this.#random() < lossShare) return;
    const startMs = Math.max(nowMs, this.#freeMs);
    const waitingBytes = (startMs - nowMs) * bytesPerS / 1_000;
    if (waitingBytes > queueMaxBytes) return;
    this.#freeMs = startMs + bytes.length / bytesPerS * 1_000;
    this.#packets.push({ bytes, dueMs: this.#freeMs + delayMs });
  }

  /** Returns the next packet if it has arrived at `nowMs`. */
  shift(nowMs: number): Uint8Array | undefined {
    if (this.dueMs > nowMs) return undefined;
    const packet = this.#packets[this.#head++];
    if (this.#head === this.#packets.length) {
      this.#packets = [];
      this.#head = 0;
    } else if (this.#head > 4_096) {
      this.#packets.splice(0, this.#head);
      this.#head = 0;
    }
    return packet?.bytes;
  }
}
