/** An HTTP answer, as far as somebody who posts JSON looks at it. */
export interface JsonAnswer {
  readonly status: number;
  /** What `Retry-After` asks for, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
  /** The server's clock, milliseconds since 1970; undefined: not told. */
  readonly dateMs: number | undefined;
  /** Hostile. Undefined: it was not JSON. */
  readonly body: unknown;
}

/**
 * Posts `body` as JSON and returns the answer, whatever its status;
 * redirections are answers too, and not followed.
 *
 * @throws {Fault} If there was no answer.
 * @throws `signal.reason` once aborted.
 */
export type PostJson = (
  url: string,
  body: unknown,
  signal: AbortSignal,
) => Promise<JsonAnswer>;
