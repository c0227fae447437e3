/** What a property list is made of, as far as launchd needs it. */
export type PlistValue =
  | string
  | boolean
  | number
  | readonly PlistValue[]
  | { readonly [key: string]: PlistValue };

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
`;

/**
 * Returns `value` as an XML property list, plist(5). Numbers are written as
 * integers: launchd takes no other ones.
 *
 * @throws {RangeError} If a number is no safe integer.
 */
export function plistText(value: PlistValue): string {
  const lines = linesOf(value, 0).join("\n");
  return `${HEAD}<plist version="1.0">\n${lines}\n</plist>\n`;
}

function linesOf(value: PlistValue, depth: number): string[] {
  const pad = "  ".repeat(depth);
  if (typeof value === "string") {
    return [`${pad}<string>${escape(value)}</string>`];
  }
  if (typeof value === "boolean") return [`${pad}<${value}/>`];
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError("No integer");
    return [`${pad}<integer>${value}</integer>`];
  }
  if (isList(value)) {
    const items = value.flatMap((item) => linesOf(item, depth + 1));
    return [`${pad}<array>`, ...items, `${pad}</array>`];
  }
  const entries = Object.entries(value).flatMap(([key, item]) => [
    `${pad}  <key>${escape(key)}</key>`,
    ...linesOf(item, depth + 1),
  ]);
  return [`${pad}<dict>`, ...entries, `${pad}</dict>`];
}

function isList(value: PlistValue): value is readonly PlistValue[] {
  return Array.isArray(value);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
