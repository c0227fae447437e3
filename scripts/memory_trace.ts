import { residentBytes } from "../test/support/process_memory.ts";

const MEBIBYTE = 1024 * 1024;

/** A process's resident memory over time. */
export class MemoryTrace {
  readonly name: string;
  readonly #pid: number;
  /** What happened by then, and MiB. */
  readonly #points: (readonly [count: number, mib: number])[] = [];

  constructor(name: string, pid: number) {
    this.name = name;
    this.#pid = pid;
  }

  /** Looks, when `count` things have happened. Returns MiB. */
  async look(count: number): Promise<number> {
    const mib = await residentBytes(this.#pid) / MEBIBYTE;
    this.#points.push([count, mib]);
    return mib;
  }

  /** MiB for each 1000 things, by least squares, without the first quarter. */
  get slope(): number {
    const points = this.#points.slice(this.#points.length >> 2);
    const mean = (index: 0 | 1) =>
      points.reduce((sum, point) => sum + point[index], 0) / points.length;
    const [meanCount, meanMib] = [mean(0), mean(1)];
    let [over, under] = [0, 0];
    for (const [count, mib] of points) {
      over += (count - meanCount) * (mib - meanMib);
      under += (count - meanCount) ** 2;
    }
    return under === 0 ? 0 : 1_000 * over / under;
  }

  /** By how much the least of the last quarter is above that of the second. */
  get growthMib(): number {
    const quarter = this.#points.length >> 2;
    const least = (from: number) =>
      Math.min(
        ...this.#points.slice(from, from + quarter).map(([, mib]) => mib),
      );
    return least(this.#points.length - quarter) - least(quarter);
  }
}
