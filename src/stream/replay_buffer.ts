/**
 * Bytes that were sent and that the other end has not acknowledged: what a
 * new link has to carry once more. Bounded by the window that the other end
 * grants, for nothing is sent beyond it.
 */
export class ReplayBuffer {
  readonly #chunks: Uint8Array[] = [];
  #startOffset = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds what was sent next. The caller gives `chunk` away. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
  }

  /** Forgets all below `offset`, which may lie inside a chunk. */
  trim(offset: number): void {
    let dropCount = 0;
    for (const chunk of this.#chunks) {
      const endOffset = this.#startOffset + chunk.byteLength;
      if (endOffset > offset) break;
      this.#startOffset = endOffset;
      this.#bytes -= chunk.byteLength;
      dropCount++;
    }
    this.#chunks.splice(0, dropCount);
    const [head] = this.#chunks;
    const skip = offset - this.#startOffset;
    if (!head || skip <= 0) return;
    this.#chunks[0] = head.subarray(skip);
    this.#startOffset = offset;
    this.#bytes -= skip;
  }

  /** Returns what was sent from `offset` on; it must not lie before trim. */
  from(offset: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let startOffset = this.#startOffset;
    for (const chunk of this.#chunks) {
      const skip = Math.max(0, offset - startOffset);
      startOffset += chunk.byteLength;
      if (skip >= chunk.byteLength) continue;
      found.push(skip === 0 ? chunk : chunk.subarray(skip));
    }
    return found;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
  }
}
