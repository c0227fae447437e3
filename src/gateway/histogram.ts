import { metricFamily, type Sample, valueText } from "./metric_family.ts";

/** How many values were at most as great as each of some bounds. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  /** One per bound; what is above the last bound counts in `#count` alone. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** @param bounds Ascending, in the unit that `name` ends with. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#count++;
    this.#sum += value;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  text(): string {
    let below = 0;
    const buckets = this.#bounds.map((bound, at): Sample => {
      below += this.#counts[at] ?? 0;
      return bucket(bound, below);
    });
    return metricFamily(
      { name: this.#name, help: this.#help, type: "histogram" },
      [
        ...buckets,
        bucket(Infinity, this.#count),
        { suffix: "_sum", value: this.#sum },
        { suffix: "_count", value: this.#count },
      ],
    );
  }
}

function bucket(bound: number, value: number): Sample {
  return { suffix: "_bucket", labels: { le: valueText(bound) }, value };
}
