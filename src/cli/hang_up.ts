/** SIGHUP, for whoever waits for the next one. */
export class HangUp {
  #next = Promise.withResolvers<void>();

  get next(): Promise<void> {
    return this.#next.promise;
  }

  happen(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}
