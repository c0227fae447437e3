/**
 * What may not reach a log or a terminal: C0 and C1 controls, surrogates that
 * stand alone, the line and paragraph separators, and the bidirectional
 * controls that make text read as something else (Unicode TR 36 §2.4).
 */
const UNPRINTABLE_REGEXP =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;

/**
 * Returns what a peer said as harmless text of at most `maxChars` characters:
 * each unprintable character becomes `?`, and a cut is shown by `…`.
 */
export function plainText(hostile: string, maxChars: number): string {
  const head = hostile.length <= maxChars
    ? hostile
    : hostile.slice(0, maxChars - 1);
  // After the cut: it may have left half of a surrogate pair standing alone.
  const text = head.replace(UNPRINTABLE_REGEXP, "?");
  return head === hostile ? text : `${text}…`;
}
