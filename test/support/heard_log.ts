import type { LogFields } from "../../src/base/log.ts";
import { ListLog } from "./list_log.ts";

interface Waiter {
  readonly pattern: RegExp;
  readonly heard: (line: string) => void;
}

/** A log whose next line can be waited for. */
export class HeardLog extends ListLog {
  readonly #waiters = new Set<Waiter>();

  override info(event: string, fields: LogFields): void {
    super.info(event, fields);
    this.#tell();
  }

  override warn(event: string, fields: LogFields, error?: unknown): void {
    super.warn(event, fields, error);
    this.#tell();
  }

  /** Resolves with the first line from now on that `pattern` matches. */
  next(pattern: RegExp): Promise<string> {
    return new Promise((heard) => this.#waiters.add({ pattern, heard }));
  }

  #tell(): void {
    const line = this.lines.at(-1) ?? "";
    for (const waiter of [...this.#waiters]) {
      if (!waiter.pattern.test(line)) continue;
      this.#waiters.delete(waiter);
      waiter.heard(line);
    }
  }
}
