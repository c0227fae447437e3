import { closest } from "fastest-levenshtein";
import type * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { nodeAt, type SchemaNode } from "./schema_node.ts";

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Key, what was found, what was expected. */
  readonly text: string;
  /** What a person can do, as an imperative sentence. */
  readonly hint: string | undefined;
}

/** Where the values came from. */
export interface ConfigOrigin {
  readonly root: SchemaNode;
  /** The values, before the schema looked at them. */
  readonly table: Readonly<Record<string, unknown>>;
  /** Undefined if there was none. */
  readonly file: string | undefined;
  readonly environmentNameOf: (path: readonly PropertyKey[]) => string;
  /** Names of the variables that gave a value, by path as JSON. */
  readonly givenBy: ReadonlyMap<string, string>;
}

type Path = readonly PropertyKey[];

const SHOWN_MAX_CHARS = 80;
const KEY_MAX_CHARS = 64;

/** What a type is called, for people. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text in quotes",
  number: "a whole number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list in [ ]",
  object: "a table",
  record: "a table",
};

/**
 * Returns what zod found wrong, in words, with unknown keys first: they often
 * explain what is missing. Secrets are not repeated.
 */
export function configProblems(
  issues: readonly z.core.$ZodIssue[],
  origin: ConfigOrigin,
): Problem[] {
  const unknown = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey(issue.path, key, origin))
      : []
  );
  const wrong = new Map<string, Problem>();
  for (const issue of issues) {
    const path = JSON.stringify(issue.path);
    // The first of a key says it: what follows is often its consequence.
    if (issue.code === "unrecognized_keys" || wrong.has(path)) continue;
    wrong.set(path, wrongValue(issue, origin));
  }
  return [...unknown, ...wrong.values()];
}

/**
 * Says what was expected: the message of an issue for which the schema gives
 * none. zod calls it while it validates.
 */
export function expectation(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPE_WORDS[issue.expected] ?? issue.expected;
    case "too_small":
      return `at least ${countOf(issue.minimum, issue.origin)}`;
    case "too_big":
      return `at most ${countOf(issue.maximum, issue.origin)}`;
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(" or ");
    default:
      return "something else";
  }
}

function countOf(limit: number | bigint, origin: string): string {
  const [one, many] = origin === "string"
    ? [" character", " characters"]
    : origin === "array"
    ? [" entry", " entries"]
    : ["", ""];
  return `${limit}${Number(limit) === 1 ? one : many}`;
}

function unknownKey(path: Path, key: string, origin: ConfigOrigin): Problem {
  const shown = printPath([...path, plainText(key, KEY_MAX_CHARS)]);
  const home = homeOf(origin.root, key);
  if (home) {
    const place = home.length > 0
      ? `in [${home.join(".")}]`
      : "at the top of the file";
    return {
      text: `"${shown}" is not known here, it belongs ${place}`,
      hint: `Write "${key}" ${place}`,
    };
  }
  const table = nodeAt(origin.root, path);
  const siblings = table?.kind === "table" ? [...table.keys.keys()] : [];
  const nearest = printPath([...path, closest(key, siblings)]);
  return {
    text: `"${shown}" is not known, the nearest key is "${nearest}"`,
    hint: `Write "${nearest}", or remove "${shown}"`,
  };
}

/** Returns the path of the table that knows `key`, if only one does. */
function homeOf(root: SchemaNode, key: string): string[] | undefined {
  const homes: string[][] = [];
  collectHomes(root, key, [], homes);
  return homes.length === 1 ? homes[0] : undefined;
}

function collectHomes(
  node: SchemaNode,
  key: string,
  path: string[],
  homes: string[][],
): void {
  if (node.kind !== "table") return;
  for (const [name, inside] of node.keys) {
    if (name === key) homes.push(path);
    collectHomes(inside, key, [...path, name], homes);
  }
}

function wrongValue(issue: z.core.$ZodIssue, origin: ConfigOrigin): Problem {
  const node = nodeAt(origin.root, issue.path);
  // A key that slipped under a [table] whose keys are free.
  const strayed = strayedKey(issue.path, origin.root);
  const isSecret = node?.isSecret !== false || strayed?.isSecret === true;
  const variable = givenBy(issue.path, origin);
  const label = variable ?? `"${printPath(issue.path)}"`;
  const expected = issue.code === "invalid_key"
    ? issue.issues[0]?.message ?? issue.message
    : issue.message;
  const found = issue.code === "invalid_key"
    ? "is no name that can stand here"
    : foundWords(valueAt(origin.table, issue.path), isSecret);
  const said: unknown = issue.code === "custom" && issue.params?.["hint"];
  return {
    text: `${label} ${found}, expected ${expected}`,
    hint: typeof said === "string"
      ? said
      : strayed && variable === undefined
      ? `Write "${String(issue.path[1])}" above the first [table]`
      : hintFor(issue.path, node?.example, variable, origin),
  };
}

function valueAt(table: unknown, path: Path): unknown {
  let value = table;
  for (const step of path) {
    const isInside = typeof value === "object" && value !== null &&
      Object.hasOwn(value, step);
    if (!isInside) return undefined;
    value = Reflect.get(Object(value), step);
  }
  return value;
}

function strayedKey(path: Path, root: SchemaNode): SchemaNode | undefined {
  const [table, key] = path;
  if (table === undefined || key === undefined) return undefined;
  if (nodeAt(root, [table])?.kind !== "record") return undefined;
  return nodeAt(root, [key]);
}

function hintFor(
  path: Path,
  example: string | undefined,
  variable: string | undefined,
  origin: ConfigOrigin,
): string {
  if (variable !== undefined) return `Correct or unset ${variable}`;
  if (origin.file === undefined) {
    return `Set ${origin.environmentNameOf(path)}, or give a file`;
  }
  if (example !== undefined) {
    return `Write in ${origin.file} a line such as: ${example}`;
  }
  return valueAt(origin.table, path) === undefined
    ? `Add "${printPath(path)}" to ${origin.file}`
    : `Correct "${printPath(path)}" in ${origin.file}`;
}

function givenBy(path: Path, origin: ConfigOrigin): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const name = origin.givenBy.get(JSON.stringify(path.slice(0, length)));
    if (name !== undefined) return name;
  }
  return undefined;
}

function foundWords(value: unknown, isSecret: boolean): string {
  if (value === undefined) return "is missing";
  if (isSecret) return "has a value that is not shown here";
  if (Array.isArray(value)) return "is a list";
  if (value instanceof Date) return "is a date";
  if (typeof value === "object") return "is a table";
  if (typeof value !== "string") return `is ${String(value)}`;
  // A password may stand in any address, not only where one is expected.
  const shown = value.replace(/\/\/\S*@/g, "//***@");
  return `is "${plainText(shown, SHOWN_MAX_CHARS)}"`;
}

function printPath(path: Path): string {
  return path.map((step, index) =>
    typeof step === "number" ? `[${step}]` : (index > 0 ? "." : "") +
      plainText(String(step), KEY_MAX_CHARS)
  ).join("");
}
