import { FREE_MIN_BYTES, freeRead } from "../base/read_memory.ts";

interface Kept {
  readonly bytes: Uint8Array;
  /** What they lie in, if they are its last and all of it passed through. */
  readonly spent: ArrayBufferLike | undefined;
}

/**
 * Bytes that were sent and that the other end has not acknowledged: what a
 * new link has to carry once more. Bounded by the window that the other end
 * grants, for nothing is sent beyond it.
 */
export class ReplayBuffer {
  readonly #kept: Kept[] = [];
  /** Memory whose first bytes have passed, and none of another since. */
  #passing: ArrayBufferLike | undefined;
  #startOffset = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds what was sent next. The caller gives `chunk` away. */
  push(chunk: Uint8Array): void {
    this.#kept.push({ bytes: chunk, spent: this.#spentBy(chunk) });
    this.#bytes += chunk.byteLength;
  }

  /** Forgets all below `offset`, which may lie inside a chunk. */
  trim(offset: number): void {
    let dropCount = 0;
    for (const { bytes, spent } of this.#kept) {
      const { byteLength } = bytes;
      const endOffset = this.#startOffset + byteLength;
      if (endOffset > offset) break;
      this.#startOffset = endOffset;
      this.#bytes -= byteLength;
      dropCount++;
      if (spent) freeRead(spent);
    }
    this.#kept.splice(0, dropCount);
    const [head] = this.#kept;
    const skip = offset - this.#startOffset;
    if (!head || skip <= 0) return;
    this.#kept[0] = { bytes: head.bytes.subarray(skip), spent: head.spent };
    this.#startOffset = offset;
    this.#bytes -= skip;
  }

  #spentBy(chunk: Uint8Array): ArrayBufferLike | undefined {
    const { byteLength, byteOffset } = chunk;
    // Short ones are not asked for their memory: that alone costs.
    if (byteOffset === 0 && byteLength < FREE_MIN_BYTES) return undefined;
    const { buffer } = chunk;
    if (byteOffset === 0) this.#passing = buffer;
    else if (this.#passing !== buffer) this.#passing = undefined;
    const isLast = byteOffset + byteLength === buffer.byteLength;
    return isLast ? this.#passing : undefined;
  }

  /** Returns what was sent from `offset` on; it must not lie before trim. */
  from(offset: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let startOffset = this.#startOffset;
    for (const { bytes: chunk } of this.#kept) {
      const skip = Math.max(0, offset - startOffset);
      startOffset += chunk.byteLength;
      if (skip >= chunk.byteLength) continue;
      found.push(skip === 0 ? chunk : chunk.subarray(skip));
    }
    return found;
  }

  clear(): void {
    this.#kept.length = 0;
    this.#passing = undefined;
    this.#bytes = 0;
  }
}
