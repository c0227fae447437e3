import type { Log, LogFields } from "../base/log.ts";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";

export interface LineLogOptions {
  /** `text` is `key=value`, for people and grep; `json` one object a line. */
  readonly format: "text" | "json";
  /** Takes one line, without a line feed. What it throws is not heard. */
  readonly write: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
}

type Level = "info" | "warn" | "error";
type Value = string | number | boolean;

/** An error, flat enough for a line. */
interface FlatError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly causes?: readonly string[];
  /** Only of a bug: the place of a fault says nothing. */
  readonly stack?: string;
}

/** One event, before it has a form. */
interface Entry {
  readonly time: string;
  readonly level: Level;
  readonly event: string;
  readonly fields: Readonly<Record<string, Value>>;
  readonly error: FlatError | undefined;
}

/** Longest line, in UTF-8 without its line feed. */
const LINE_MAX_BYTES = 8 * 1024;

/** Longest text in a line; halved until the line is short enough. */
const TEXT_MAX_CHARS = 2_048;
const TEXT_MIN_CHARS = 16;

const FIELDS_MAX_COUNT = 64;
const CAUSES_MAX_COUNT = 8;

/** What a value must not hold to stand in a line without quotes. */
const NEEDS_QUOTES_REGEXP = /[\s"=\\]|^$/u;

/** Names that a line gives itself. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  "time",
  "level",
  "event",
  "error",
]);

/**
 * Returns a log that writes one line an event, at most 8 KiB long.
 *
 *     2026-11-21T10:00:00.000Z info link.open gateway=wss://gw.example attempt=1
 *
 * Every text becomes harmless on the way (`plainText`). Never throws: a
 * program must not fail because it cannot say what it does.
 */
export function createLineLog(options: LineLogOptions): Log {
  const form = options.format === "json" ? jsonLine : textLine;
  const write = (
    level: Level,
    event: string,
    fields: LogFields,
    error?: { readonly thrown: unknown },
  ) => {
    try {
      options.write(lineOf(form, (maxChars) => ({
        time: timeOf(options.wallNow()),
        level,
        event: plainText(event, maxChars),
        fields: flatFields(fields, maxChars),
        error: error && flatError(error.thrown, maxChars),
      })));
    } catch {
      // A log that cannot be written to has nobody to say so to.
    }
  };
  return {
    info: (event, fields) => write("info", event, fields),
    warn: (event, fields, error) =>
      write(
        "warn",
        event,
        fields,
        error === undefined ? error : { thrown: error },
      ),
    error: (event, fields, error) =>
      write("error", event, fields, { thrown: error }),
  };
}

/** Returns the longest form of an entry that fits in a line. */
function lineOf(
  form: (entry: Entry) => string,
  entryOf: (maxChars: number) => Entry,
): string {
  for (let max = TEXT_MAX_CHARS; max >= TEXT_MIN_CHARS; max /= 2) {
    const line = form(entryOf(max));
    if (Buffer.byteLength(line) <= LINE_MAX_BYTES) return line;
  }
  const { time, level, event } = entryOf(TEXT_MIN_CHARS);
  return form({ time, level, event, fields: { cut: true }, error: undefined });
}

function jsonLine({ time, level, event, fields, error }: Entry): string {
  return JSON.stringify({ time, level, event, ...fields, error });
}

function textLine({ time, level, event, fields, error }: Entry): string {
  const pairs = Object.entries({ ...fields })
    .map(([name, value]) => `${name}=${quoted(String(value))}`);
  if (error) {
    const { causes, ...rest } = error;
    const cause = causes && { cause: causes.join("; ") };
    for (const [name, value] of Object.entries({ ...rest, ...cause })) {
      pairs.push(`${name}=${quoted(value)}`);
    }
  }
  return [time, level, event, ...pairs].join(" ");
}

function quoted(value: string): string {
  return NEEDS_QUOTES_REGEXP.test(value) ? JSON.stringify(value) : value;
}

function timeOf(wallMs: number): string {
  const date = new Date(wallMs);
  // A clock that is out of range must not silence the log.
  return Number.isNaN(date.getTime()) ? "-" : date.toISOString();
}

function flatFields(fields: LogFields, maxChars: number): Entry["fields"] {
  const flat: Record<string, Value> = {};
  for (
    const [name, value] of Object.entries(fields).slice(0, FIELDS_MAX_COUNT)
  ) {
    const plainName = plainText(name, maxChars);
    flat[OWN_NAMES.has(name) ? `${plainName}_` : plainName] =
      typeof value === "number" || typeof value === "boolean"
        ? value
        : plainText(textOf(value), maxChars);
  }
  return flat;
}

function flatError(thrown: unknown, maxChars: number): FlatError {
  const fault = thrown instanceof Fault ? thrown : undefined;
  const causes = causesOf(thrown).map((cause) => plainText(cause, maxChars));
  const stack = stackOf(thrown);
  return {
    code: fault?.code ?? "internal",
    message: plainText(fault?.message ?? textOf(thrown), maxChars),
    ...(fault?.hint && { hint: plainText(fault.hint, maxChars) }),
    ...(causes.length > 0 && { causes }),
    ...(stack && { stack: plainText(stack, maxChars) }),
  };
}

/** Returns what led to `thrown`, nearest first; bounded, also in a circle. */
function causesOf(thrown: unknown): string[] {
  const found: string[] = [];
  const queue = nextCauses(thrown);
  while (queue.length > 0 && found.length < CAUSES_MAX_COUNT) {
    const cause = queue.shift();
    found.push(
      cause instanceof Fault
        ? `${cause.code}: ${cause.message}`
        : textOf(cause),
    );
    queue.push(...nextCauses(cause));
  }
  return found;
}

function nextCauses(thrown: unknown): unknown[] {
  if (!(thrown instanceof Error)) return [];
  const several = thrown instanceof AggregateError
    ? thrown.errors.slice(0, CAUSES_MAX_COUNT)
    : [];
  return thrown.cause === undefined ? several : [thrown.cause, ...several];
}

/** Returns where a bug happened, in one line; undefined for a fault. */
function stackOf(thrown: unknown): string | undefined {
  const bug = thrown instanceof Fault && thrown.code === "internal"
    ? thrown.cause
    : thrown;
  if (!(bug instanceof Error) || bug instanceof Fault) return undefined;
  return bug.stack?.split("\n").map((line) => line.trim()).join(" | ");
}

/** Returns `value` as text, whatever it is. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `an unprintable ${typeof value}`; // Its own toString() threw.
  }
}
