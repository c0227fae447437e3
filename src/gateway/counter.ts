import {
  labelText,
  metricFamily,
  type MetricHead,
  type Sample,
} from "./metric_family.ts";

/** Stands for every value that a label was not declared with. */
const OTHER = "other";

/**
 * A count that only grows, one per combination of label values.
 *
 * All combinations are there from the start, at 0, so that the first event
 * is an increase too. A value that was not declared is counted as `other`:
 * what a peer says makes no new series.
 */
export class Counter<Label extends string = never> {
  readonly #head: MetricHead;
  readonly #labels: Readonly<Record<Label, readonly string[]>>;
  readonly #series = new Map<string, Required<Omit<Sample, "suffix">>>();

  constructor(
    name: string,
    help: string,
    labels: Readonly<Record<Label, readonly string[]>>,
  ) {
    this.#head = { name, help, type: "counter" };
    this.#labels = labels;
    for (const values of combinations(labels)) this.#put(values, 0);
  }

  /** @param amount Not negative. */
  add(labels: Readonly<Record<Label, string>>, amount: number = 1): void {
    // Also false for NaN.
    if (!(amount >= 0)) throw new RangeError("A counter does not go down");
    const known: Record<string, string> = {};
    // In the order of the declaration, whatever the caller's is.
    for (const name of Object.keys(this.#labels) as Label[]) {
      const value = labels[name];
      known[name] = this.#labels[name].includes(value) ? value : OTHER;
    }
    this.#put(known, amount);
  }

  text(): string {
    return metricFamily(this.#head, [...this.#series.values()]);
  }

  #put(labels: Record<string, string>, amount: number): void {
    const key = labelText(labels);
    const value = (this.#series.get(key)?.value ?? 0) + amount;
    this.#series.set(key, { labels, value });
  }
}

/** Every way to take one value of each label. */
function combinations(
  labels: Readonly<Record<string, readonly string[]>>,
): Record<string, string>[] {
  let found: Record<string, string>[] = [{}];
  for (const [name, values] of Object.entries(labels)) {
    found = found.flatMap((some) =>
      values.map((value) => ({ ...some, [name]: value }))
    );
  }
  return found;
}
