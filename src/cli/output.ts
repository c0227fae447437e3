import { plainText } from "../base/text.ts";
import type { Fault } from "../protocol/fault.ts";

const FIELD_MAX_CHARS = 1_024;

/** Where a command writes: the answer to stdout, everything else to stderr. */
export interface Output {
  /** What the program is called; default `migasfree-agent`. */
  readonly name?: string;
  /** One line of the answer. */
  readonly answer: (line: string) => void;
  /** One line for the person who looks on. */
  readonly say: (line: string) => void;
}

/** Writes to this process's streams. */
export const processOutput: Output = {
  answer: (line) => void process.stdout.write(`${line}\n`),
  say: (line) => void process.stderr.write(`${line}\n`),
};

/**
 * As {@linkcode processOutput}, for a service, which says a line now and then
 * for months: without `process.stderr`, whose streams are 1.2 MB of memory.
 */
export function serviceOutput(): Output {
  let sink: Bun.FileSink | undefined;
  // Whoever does not read what we say has nobody to say so to. A disk that
  // was full may have room for the next line.
  const lost = () => {
    sink = undefined;
  };
  return {
    ...processOutput,
    say: (line) => {
      try {
        sink ??= Bun.stderr.writer();
        sink.write(`${line}\n`);
        const flushed = sink.flush();
        if (typeof flushed !== "number") flushed.then(undefined, lost);
      } catch {
        lost();
      }
    },
  };
}

/** Says what went wrong, why, and what can be done about it. */
export function sayFault(fault: Fault, output: Output): void {
  const { name = "migasfree-agent" } = output;
  output.say(`${name}: ${plainText(fault.message, FIELD_MAX_CHARS)}`);
  if (fault.code === "internal") {
    const stack = String((fault.cause as Error)?.stack ?? fault.stack);
    for (const line of stack.split("\n").slice(0, 20)) {
      output.say(plainText(line, FIELD_MAX_CHARS));
    }
  }
  if (fault.hint) {
    output.say(`  hint: ${plainText(fault.hint, FIELD_MAX_CHARS)}`);
  }
}
