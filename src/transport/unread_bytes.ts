/**
 * What all links of protocol 1 of a process hold for readers that have not
 * taken it yet: each link counts here what it holds.
 */
export class UnreadBytes {
  readonly maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether those that stand still must give way to the others. */
  get isFull(): boolean {
    return this.#bytes > this.maxBytes;
  }

  /** Counts `bytes` more, or less if it is negative. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }
}
