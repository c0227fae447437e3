import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { FAULT_MESSAGE_MAX_CHARS } from "../protocol/limits.ts";

/** Which commands an agent runs for operators, and how much of them. */
export interface ExecRules {
  /** See {@linkcode checkCommand}. Empty: there is no remote command at all. */
  readonly allow: readonly (readonly string[])[];
  /** The longest time that any command may take. */
  readonly timeoutMs: number;
  /** How many may run at once. */
  readonly concurrentMax: number;
}

/**
 * What may be run unless agent.toml says otherwise: migasfree's
 * synchronisation, and questions that change nothing. `search` is not among
 * them, because its words go on to the package manager, nor is `conf` with
 * words of its own, which writes.
 */
export const EXEC_ALLOW_DEFAULT: ExecRules["allow"] = [
  ["migasfree", "sync"],
  ["migasfree", "version"],
  ["migasfree", "info", "*"],
  ["migasfree", "conf"],
  ["migasfree", "conf", "--json"],
  ["migasfree", "traits", "*"],
  ["migasfree", "attributes", "*"],
  ["migasfree", "tags", "--get"],
];

/** What an entry ends in that allows any further words. */
const ANY_WORDS = "*";

/** How much of a command, and of all that is allowed, a person is shown. */
const COMMAND_SHOWN_MAX_CHARS = 200;
const ALLOWED_SHOWN_MAX_CHARS = 250;

/** Words that read the same with and without quotes. */
const PLAIN_WORD_REGEXP = /^[\w@%+=:,./-]+$/;

/**
 * Checks that `argv` is what an entry of `allow` says: exactly its words or,
 * if its last word is `*`, those before it and then any number of others. A
 * `*` anywhere else is a word like any other: nothing expands it.
 *
 * @throws {Fault} `execRefused`, which names what is allowed.
 */
export function checkCommand(
  argv: readonly string[],
  allow: ExecRules["allow"],
): void {
  if (allow.some((entry) => isAllowedBy(entry, argv))) return;
  const shown = showCommand(argv);
  throw new Fault(
    "execRefused",
    `Cannot run ${shown}: this device allows ${showAllowed(allow)}`
      .slice(0, FAULT_MESSAGE_MAX_CHARS),
  );
}

function isAllowedBy(
  entry: readonly string[],
  argv: readonly string[],
): boolean {
  const isOpen = entry.length > 1 && entry.at(-1) === ANY_WORDS;
  const words = isOpen ? entry.slice(0, -1) : entry;
  const isLong = isOpen
    ? argv.length >= words.length
    : argv.length === words.length;
  return isLong && words.every((word, index) => argv[index] === word);
}

/** Returns `argv` for people: bounded, and harmless in a log or a terminal. */
export function showCommand(argv: readonly string[]): string {
  const words = argv.map((word) =>
    PLAIN_WORD_REGEXP.test(word) ? word : JSON.stringify(word)
  );
  return plainText(words.join(" "), COMMAND_SHOWN_MAX_CHARS);
}

/**
 * Returns why `argv` is refused, in the words of migasfree's own agent, which
 * allows a program with whatever words.
 */
export function v1Refusal(
  argv: readonly string[],
  allow: ExecRules["allow"],
): string {
  const [program = ""] = argv;
  const programs = new Set(allow.map(([name = ""]) => name));
  const [shown, allowed] = programs.has(program)
    ? [argv, showAllowed(allow)]
    : [[program], plainText([...programs].join(", "), ALLOWED_SHOWN_MAX_CHARS)];
  return `Command "${showCommand(shown)}" not allowed. Allowed: ${
    allowed || "nothing"
  }`;
}

/** As many entries as fit, and how many more there are. */
function showAllowed(allow: ExecRules["allow"]): string {
  let text = "";
  for (const [index, entry] of allow.entries()) {
    const words = entry.at(-1) === ANY_WORDS
      ? `${showCommand(entry.slice(0, -1))} …`
      : showCommand(entry);
    const next = index === 0 ? words : `${text}, ${words}`;
    if (next.length > ALLOWED_SHOWN_MAX_CHARS && index > 0) {
      return `${text} and ${allow.length - index} more`;
    }
    text = next;
  }
  return text;
}
