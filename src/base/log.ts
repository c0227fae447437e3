/** What a log field may hold. No objects: a line must stay greppable. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/**
 * Lifecycle events, one line each; names are `noun.verb` (docs/EVENTS.md).
 *
 * `error` is rendered as its code, message, hint and chain of causes.
 * info: something began or ended. warn: we coped. error: a person is needed.
 */
export interface Log {
  info(event: string, fields: LogFields): void;
  warn(event: string, fields: LogFields, error?: unknown): void;
  error(event: string, fields: LogFields, error: unknown): void;
}
