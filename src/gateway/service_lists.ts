import type { Service } from "../protocol/control.ts";

/** Ours to choose: computers of a site are set up alike. */
const LISTS_MAX_COUNT = 64;

/** The lists of services that agents have said, each kept once. */
export class ServiceLists {
  /** By their JSON, in the order in which they came. */
  readonly #lists = new Map<string, readonly Service[]>();

  /** Returns the list that is like `services`, whoever said it first. */
  share(services: readonly Service[]): readonly Service[] {
    const text = JSON.stringify(services);
    const known = this.#lists.get(text);
    if (known) return known;
    if (this.#lists.size >= LISTS_MAX_COUNT) {
      const [first = ""] = this.#lists.keys();
      this.#lists.delete(first);
    }
    this.#lists.set(text, services);
    return services;
  }
}
