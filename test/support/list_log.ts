import type { Log, LogFields } from "../../src/base/log.ts";
import { Fault } from "../../src/protocol/fault.ts";

/** A log that a test can read: `event {fields} code: message`. */
export class ListLog implements Log {
  readonly lines: string[] = [];

  info(event: string, fields: LogFields): void {
    this.lines.push(`${event} ${JSON.stringify(fields)}`);
  }

  warn(event: string, fields: LogFields, error?: unknown): void {
    const why = error === undefined ? "" : ` ${textOf(error)}`;
    this.lines.push(`${event} ${JSON.stringify(fields)}${why}`);
  }

  error(event: string, fields: LogFields, error: unknown): void {
    this.warn(event, fields, error);
  }
}

function textOf(error: unknown): string {
  return error instanceof Fault
    ? `${error.code}: ${error.message}`
    : String(error);
}
