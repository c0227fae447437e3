/** Below this, it is not worth the call: to ask for `buffer` alone costs. */
export const FREE_MIN_BYTES = 32 * 1024;

/** Memory that holds nothing but what one read has brought. */
const reads = new WeakSet<ArrayBufferLike>();

/** Notes that `chunk` was just read, into memory that nobody else has. */
export function noteRead(chunk: Uint8Array): void {
  if (chunk.byteLength < FREE_MIN_BYTES) return;
  const { buffer } = chunk;
  if (chunk.byteLength === buffer.byteLength) reads.add(buffer);
}

/**
 * Gives the memory of a read back now, and not when the garbage is collected:
 * the next read then gets memory that is warm, in the place of pages that the
 * kernel has to clear first. That is a fifth of the CPU of a fast stream.
 *
 * The caller must be the last who needs it: views into it become empty. Any
 * other memory is left alone.
 */
export function freeRead(memory: ArrayBufferLike | Uint8Array): void {
  if (memory.byteLength < FREE_MIN_BYTES) return;
  const buffer = memory instanceof Uint8Array ? memory.buffer : memory;
  if (reads.delete(buffer)) (buffer as ArrayBuffer).transfer(0);
}
