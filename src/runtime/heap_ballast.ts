/**
 * How much garbage there may be before it is collected: as much as there is
 * heap. Chunks count with all their bytes, though a long one is freed as soon
 * as it is used (src/base/read_memory.ts).
 */
const BALLAST_BYTES = 32 * 1024 * 1024;

let ballast: ArrayBuffer | undefined;

/**
 * Makes the heap look larger than it is, for a process that carries streams.
 * A small heap is collected each 8 MiB that pass, 36 times a second at
 * 300 MB/s, and each time everything waits for a millisecond or two: a tenth
 * of all CPU, and most of the slowest round trips (docs/adr/0025).
 *
 * It is never touched, so that it takes no memory. Where it cannot be had,
 * all goes on without.
 */
export function holdBallast(): void {
  try {
    ballast ??= new ArrayBuffer(BALLAST_BYTES);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

/** The heap is what it is again, from the next collection on. */
export function dropBallast(): void {
  ballast = undefined;
}
