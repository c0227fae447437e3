import { Fault } from "./fault.ts";
import { EXEC_JSON_MAX_BYTES, EXEC_WORDS_MAX_COUNT } from "./limits.ts";

/** What parts words, unless it is quoted. */
const BLANKS = " \t\r\n";

/** What means only itself to every shell, and to Windows. */
const PLAIN_REGEXP = /^[A-Za-z0-9_./:@+,-]+$/;

/**
 * Returns the words of a command line that came as one text, by the rules of
 * quoting of a POSIX shell (POSIX XCU §2.2) as Python's `shlex.split` reads
 * them, which is what a peer of protocol 1 does: nothing is expanded, nothing
 * is an operator or a comment, and inside double quotes a backslash counts
 * only before a double quote or a backslash.
 *
 * @param text At most 65,536 characters, with at most 256 words in it.
 * @throws {Fault} `messageInvalid` for an open quote, a backslash before
 * nothing, or what is over these bounds.
 */
export function splitCommand(text: string): string[] {
  if (text.length > EXEC_JSON_MAX_BYTES) {
    throw invalid(`it has over ${EXEC_JSON_MAX_BYTES} characters`);
  }
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isBlank(text, at)) at++;
    if (at >= text.length) return words;
    if (words.length === EXEC_WORDS_MAX_COUNT) {
      throw invalid(`it has over ${EXEC_WORDS_MAX_COUNT} words`);
    }
    const { word, end } = takeWord(text, at);
    words.push(word);
    at = end;
  }
}

function isBlank(text: string, at: number): boolean {
  return BLANKS.includes(text.charAt(at));
}

/** Reads one word from `start` on; `end` is the blank behind it. */
function takeWord(text: string, start: number): { word: string; end: number } {
  let word = "";
  let at = start;
  while (at < text.length && !isBlank(text, at)) {
    const char = text.charAt(at);
    if (char === "'" || char === '"') {
      const quoted = takeQuoted(text, at + 1, char);
      word += quoted.part;
      at = quoted.end;
    } else if (char === "\\") {
      if (at + 1 === text.length) throw invalid("No escaped character");
      word += text.charAt(at + 1);
      at += 2;
    } else {
      word += char;
      at++;
    }
  }
  return { word, end: at };
}

/** Reads from behind a quote to behind the one that closes it. */
function takeQuoted(
  text: string,
  start: number,
  quote: "'" | '"',
): { part: string; end: number } {
  let part = "";
  for (let at = start; at < text.length; at++) {
    let char = text.charAt(at);
    if (char === quote) return { part, end: at + 1 };
    const next = text.charAt(at + 1);
    if (char === "\\" && quote === '"') {
      if (next === "") throw invalid("No escaped character");
      if (next === '"' || next === "\\") {
        char = next;
        at++;
      }
    }
    part += char;
  }
  throw invalid("No closing quotation");
}

function invalid(reason: string): Fault {
  return new Fault("messageInvalid", `Invalid command syntax: ${reason}`, {
    hint: "Close each quote, and write a backslash as two",
  });
}

/**
 * Returns `argv` as one command line, which {@linkcode splitCommand} takes
 * apart again, and every shell as well.
 *
 * Not all of them are POSIX shells: csh and fish have other rules inside
 * quotes. So a quote, a backslash and an exclamation mark always stand outside
 * them, where all shells agree.
 */
export function quoteCommand(argv: readonly string[]): string {
  return argv.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (PLAIN_REGEXP.test(word)) return word;
  if (word === "") return "''";
  return word.replace(
    /['!\\]|[^'!\\]+/g,
    (part) => /['!\\]/.test(part) ? `\\${part}` : `'${part}'`,
  );
}
