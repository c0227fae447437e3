import { STREAM_MESSAGE_MAX_BYTES } from "../protocol/limits.ts";

/** Bytes that the local program gave us and that credit does not cover yet. */
export class SendQueue {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    // It would go out as a message of its own, maybe after the end.
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
  }

  /**
   * Takes one message's worth, at most `maxBytes`, as a view into a chunk
   * that was pushed. Undefined if there is nothing, or no room.
   */
  take(maxBytes: number): Uint8Array | undefined {
    const [head] = this.#chunks;
    if (!head || maxBytes <= 0) return undefined;
    const size = Math.min(head.byteLength, maxBytes, STREAM_MESSAGE_MAX_BYTES);
    this.#bytes -= size;
    if (size === head.byteLength) {
      this.#chunks.shift();
      return head;
    }
    this.#chunks[0] = head.subarray(size);
    return head.subarray(0, size);
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
  }
}
