import type { ExecRules } from "./exec.ts";

/** What an entry ends in that allows any further words. */
const ANY_WORDS = "*";

/**
 * Returns the rules of which root runs commands for an agent that is not: the
 * entries that say every word. Whoever asks root chooses one of them, and
 * nothing else; an entry that leaves words open is run without root's rights.
 */
export function rulesOfRoot(rules: ExecRules): ExecRules {
  const allow = rules.allow.filter((entry) => entry.at(-1) !== ANY_WORDS);
  return { ...rules, allow, concurrentMax: 1 };
}

/** Returns whether `argv` is an entry that says every word. */
export function isForRoot(
  argv: readonly string[],
  { allow }: ExecRules,
): boolean {
  return allow.some((entry) =>
    entry.at(-1) !== ANY_WORDS && entry.length === argv.length &&
    entry.every((word, index) => word === argv[index])
  );
}
