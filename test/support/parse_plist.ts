/** What a property list can hold, as far as launchd's do. */
export type PlistData =
  | string
  | number
  | boolean
  | PlistData[]
  | { [key: string]: PlistData };

const TOKEN = /\s*<(\/?)([a-z]+)(\s[^<>]*?)?(\/?)>([^<]*)/gy;
const ENTITIES = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"]]);
const HEAD =
  /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<!DOCTYPE plist PUBLIC "[^"]+" "[^"]+">\n/;

interface Token {
  readonly isEnd: boolean;
  readonly name: string;
  readonly isEmpty: boolean;
  readonly text: string;
}

/**
 * Reads an XML property list, and nothing that is less strict than Apple's
 * own: a key has a value, elements are closed, text is where text may be.
 *
 * @throws {Error}
 */
export function parsePlist(text: string): PlistData {
  const head = HEAD.exec(text)?.[0];
  if (head === undefined) throw new Error("No head of a property list");
  const tokens = tokensOf(text.slice(head.length));
  take(tokens, "plist", false);
  const value = valueOf(tokens);
  take(tokens, "plist", true);
  if (tokens.length > 0) throw new Error("More after the end");
  return value;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const [, end, name = "", , empty, words = ""] = TOKEN.exec(text) ??
      fail(`No element at ${at}: ${text.slice(at, at + 40)}`);
    tokens.push({
      isEnd: end === "/",
      name,
      isEmpty: empty === "/",
      text: words,
    });
  }
  return tokens;
}

function valueOf(tokens: Token[]): PlistData {
  const { isEmpty, isEnd, name, text } = tokens.shift() ?? fail("No value");
  if (isEnd) return fail(`An end of ${name} where a value is due`);
  if (isEmpty) {
    if (name !== "true" && name !== "false") fail(`An empty ${name}`);
    return name === "true";
  }
  switch (name) {
    case "string":
      take(tokens, name, true);
      return plain(text);
    case "integer":
      take(tokens, name, true);
      return /^-?\d+$/.test(text) ? Number(text) : fail(`No integer: ${text}`);
    case "array":
      return itemsOf(tokens);
    case "dict":
      return entriesOf(tokens);
    default:
      return fail(`No value is called ${name}`);
  }
}

function itemsOf(tokens: Token[]): PlistData[] {
  const items: PlistData[] = [];
  while (!tokens[0]?.isEnd) items.push(valueOf(tokens));
  take(tokens, "array", true);
  return items;
}

function entriesOf(tokens: Token[]): { [key: string]: PlistData } {
  const entries: { [key: string]: PlistData } = {};
  while (!tokens[0]?.isEnd) {
    const key = plain(take(tokens, "key", false).text);
    take(tokens, "key", true);
    if (key in entries) fail(`Twice: ${key}`);
    entries[key] = valueOf(tokens);
  }
  take(tokens, "dict", true);
  return entries;
}

function take(tokens: Token[], name: string, isEnd: boolean): Token {
  const token = tokens.shift();
  if (token?.name === name && token.isEnd === isEnd) return token;
  return fail(`${name} is due, and not ${JSON.stringify(token)}`);
}

function plain(text: string): string {
  return text.replace(
    /&(\w*);?/g,
    (all, name) => ENTITIES.get(name) ?? fail(`No entity: ${all}`),
  );
}

function fail(what: string): never {
  throw new Error(`Cannot read property list: ${what}`);
}
