import { closeSync, openSync, readSync } from "node:fs";

/** More than this is not compared: it would not be cheap. */
const FILE_MAX_BYTES = 8 * 1024;

/**
 * Small files of the kernel's, by which one sees whether something has changed
 * without reading what: nothing is made of them that would have to be
 * collected again.
 */
export class ProcFiles {
  readonly #paths: readonly string[];
  readonly #lasts: Buffer[];
  #scratch = Buffer.alloc(FILE_MAX_BYTES);

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#lasts = paths.map(() => Buffer.alloc(0));
  }

  /**
   * Returns whether all of them hold what they held the last time. False if
   * nobody can tell: none is there, as on other systems, or one is too long.
   */
  areSame(): boolean {
    let areSame = true;
    let isAnyThere = false;
    for (const [index, path] of this.#paths.entries()) {
      const size = this.#read(path);
      if (size > 0) isAnyThere = true;
      const now = this.#scratch.subarray(0, size);
      const last = this.#lasts[index];
      if (last?.equals(now) && size < FILE_MAX_BYTES) continue;
      areSame = false;
      this.#lasts[index] = Buffer.from(now);
    }
    return areSame && isAnyThere;
  }

  /** Returns how much was read; 0: there is no such file. */
  #read(path: string): number {
    let file: number | undefined;
    try {
      file = openSync(path, "r");
      return readSync(file, this.#scratch);
    } catch {
      return 0; // Without IPv6, say: then there never is.
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }
}
