/**
 * How much all receive windows of a process may grow together, beyond the
 * initial window that each has by right.
 */
export class WindowBudget {
  readonly maxBytes: number;
  #takenBytes = 0;

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
}
