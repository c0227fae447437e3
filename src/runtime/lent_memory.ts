import { FREE_MIN_BYTES, freeRead, noteRead } from "../base/read_memory.ts";

/** How many views into it are out, and one for who reads it. */
const lentCounts = new WeakMap<ArrayBufferLike, number>();

/** How many reads have parts that are out, those of the lost among them. */
let lentReadCount = 0;

/** Who reads what comes, piece by piece. */
export interface ChunkReader {
  push(chunk: Uint8Array): void;
}

/**
 * Has `reader` read `chunk`, parts of which it may lend; frees its memory when
 * all of them are given back. If one never is, the garbage collector does.
 */
export function lendParts(chunk: Uint8Array, reader: ChunkReader): void {
  if (chunk.byteLength < FREE_MIN_BYTES) return reader.push(chunk);
  const { buffer } = chunk;
  noteRead(chunk);
  lentCounts.set(buffer, 1);
  lentReadCount++;
  reader.push(chunk);
  giveBack(chunk);
}

/** Notes that `part` goes to somebody who may keep it. */
export function lend(part: Uint8Array): void {
  if (lentReadCount === 0) return;
  const count = lentCounts.get(part.buffer);
  if (count !== undefined) lentCounts.set(part.buffer, count + 1);
}

/** Notes that nobody needs `part` any more, which may have been lent. */
export function giveBack(part: Uint8Array): void {
  if (lentReadCount === 0) return;
  const { buffer } = part;
  const count = lentCounts.get(buffer);
  if (count === undefined) return;
  if (count > 1) return void lentCounts.set(buffer, count - 1);
  lentCounts.delete(buffer);
  lentReadCount--;
  freeRead(buffer);
}
