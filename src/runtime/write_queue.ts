import { freeRead } from "../base/read_memory.ts";

/** A socket of Bun's, as far as it is written to. */
export interface ChunkTaker {
  /** Returns how many bytes it took; less than 0 if it is gone. */
  write(chunk: Uint8Array, offset?: number, size?: number): number;
}

/**
 * What a socket of Bun's has not taken yet: such a socket takes what the
 * kernel has room for, keeps nothing, and calls `drain` when there is room
 * again. Chunks are given away: the memory of a read is freed once it is
 * taken.
 *
 * Has no limit of its own: it grows by one chunk for each write after one
 * that was answered with false.
 */
export class WriteQueue {
  readonly #chunks: Uint8Array[] = [];
  /** Chunks before this one are gone; so are its first `#takenBytes`. */
  #first = 0;
  #takenBytes = 0;
  #isRefused = false;

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** The socket is gone, and all that waited with it. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Gives `chunk` to `socket` after all that waits. False: it has to wait. */
  write(socket: ChunkTaker, chunk: Uint8Array): boolean {
    if (this.#chunks.length > 0) {
      this.#chunks.push(chunk);
      return false;
    }
    if (this.#isRefused) return false;
    const takenBytes = socket.write(chunk);
    if (takenBytes === chunk.byteLength) {
      freeRead(chunk);
      return true;
    }
    if (takenBytes < 0) return this.#refuse();
    this.#chunks.push(chunk);
    this.#takenBytes = takenBytes;
    return false;
  }

  /** Gives `socket` what waits; call it on `drain`. True: nothing does now. */
  flush(socket: ChunkTaker): boolean {
    for (let chunk; (chunk = this.#chunks[this.#first]); this.#first++) {
      const leftBytes = chunk.byteLength - this.#takenBytes;
      const takenBytes = socket.write(chunk, this.#takenBytes, leftBytes);
      if (takenBytes < 0) return this.#refuse();
      if (takenBytes < leftBytes) {
        this.#takenBytes += takenBytes;
        return false;
      }
      this.#takenBytes = 0;
      freeRead(chunk);
    }
    this.clear();
    return true;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#chunks.length = 0;
    this.#first = 0;
    this.#takenBytes = 0;
  }

  #refuse(): false {
    this.#isRefused = true;
    this.clear();
    return false;
  }
}
