import { quoteCommand } from "../protocol/command_words.ts";

/** What Windows and the shells that are there take as it is. */
const PLAIN_REGEXP = /^[A-Za-z0-9_./:@+,-]+$/;

/**
 * Returns `words` as one command line for what ssh starts a ProxyCommand with.
 *
 * That is `$SHELL -c`, and not always a POSIX shell. On Windows it is no shell
 * at all or, with the ssh that git brings, a POSIX one.
 *
 * @param platform As `process.platform` says.
 */
export function shellWords(
  words: readonly string[],
  platform: string,
): string {
  if (platform !== "win32") return quoteCommand(words);
  return words.map(windowsWord).join(" ");
}

/**
 * A path with slashes is the same path to Windows, and survives a POSIX shell.
 * The ssh of an early Windows 10 cannot start a program whose name stands in
 * quotes: none where none are needed.
 */
function windowsWord(word: string): string {
  const path = /^(?:[A-Za-z]:\\|\\\\)/.test(word)
    ? word.replaceAll("\\", "/")
    : word;
  if (PLAIN_REGEXP.test(path)) return path;
  // How CommandLineToArgvW reads it: backslashes count only before a quote.
  const escaped = path
    .replace(/(\\*)"/g, '$1$1\\"')
    .replace(/\\+$/, "$&$&");
  return `"${escaped}"`;
}
