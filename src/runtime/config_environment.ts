import { closest } from "fastest-levenshtein";
import type { SchemaNode } from "./schema_node.ts";

/** One value of a configuration that an environment variable gives. */
export interface EnvironmentValue {
  /** Name of the variable. */
  readonly name: string;
  readonly path: readonly string[];
  /** As a file would have it, if the text can be read so; else the text. */
  readonly value: unknown;
}

/** Names of unknown variables that are told; more are only counted. */
const UNKNOWN_MAX_COUNT = 8;

/**
 * Returns the values that variables beginning with `prefix` give, and a
 * warning for each that names no key. An empty variable is one that is unset.
 *
 * `MIGASFREE_AGENT_CA_FILE` is the key `ca_file`, `…_TLS_CERT_FILE` the key
 * `cert_file` of the table `tls`, `…_SERVICES_SSH` the key `ssh` of a record.
 * Lists are separated by commas, lists inside them by blanks.
 */
export function environmentValues(
  root: SchemaNode,
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
): { values: EnvironmentValue[]; warnings: string[] } {
  const values: EnvironmentValue[] = [];
  const unknown: string[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(prefix) || text === undefined || text === "") continue;
    const found = findKey(root, name.slice(prefix.length).toLowerCase());
    if (!found) unknown.push(name);
    else {
      values.push({ name, path: found.path, value: valueOf(found.node, text) });
    }
  }
  return { values, warnings: warningsOf(unknown, namesOf(root, prefix)) };
}

/** Returns the name of the variable for the key at `path`. */
export function environmentName(
  prefix: string,
  path: readonly PropertyKey[],
): string {
  return prefix + path.map(String).join("_").toUpperCase();
}

function findKey(
  node: SchemaNode,
  rest: string,
): { path: string[]; node: SchemaNode } | undefined {
  if (node.kind === "record") {
    return rest === "" ? undefined : { path: [rest], node: node.value };
  }
  if (node.kind !== "table") return undefined;
  for (const [key, inside] of node.keys) {
    if (rest === key && inside.kind !== "table" && inside.kind !== "record") {
      return { path: [key], node: inside };
    }
    if (!rest.startsWith(`${key}_`)) continue;
    const found = findKey(inside, rest.slice(key.length + 1));
    if (found) return { path: [key, ...found.path], node: found.node };
  }
  return undefined;
}

function valueOf(node: SchemaNode, text: string): unknown {
  switch (node.kind) {
    case "integer":
      return /^\s*-?[0-9]+\s*$/.test(text) ? Number(text) : text;
    case "boolean":
      if (/^(?:true|yes|1)$/i.test(text.trim())) return true;
      return /^(?:false|no|0)$/i.test(text.trim()) ? false : text;
    case "list":
      return listOf(node.item, text, /,/);
    default:
      return text;
  }
}

function listOf(item: SchemaNode, text: string, separator: RegExp): unknown[] {
  const parts = text.split(separator).map((part) => part.trim());
  return parts.filter((part) => part !== "").map((part) =>
    item.kind === "list" ? listOf(item.item, part, /\s+/) : valueOf(item, part)
  );
}

function namesOf(node: SchemaNode, name: string): string[] {
  if (node.kind === "record") return [`${name}NAME`];
  if (node.kind !== "table") return [name.slice(0, -1)];
  return [...node.keys].flatMap(([key, inside]) =>
    namesOf(inside, `${name}${key.toUpperCase()}_`)
  );
}

function warningsOf(
  unknown: readonly string[],
  known: readonly string[],
): string[] {
  const warnings = unknown.slice(0, UNKNOWN_MAX_COUNT).map((name) =>
    `Environment variable ${name} is not known, the nearest is ${
      closest(name, known)
    }`
  );
  const more = unknown.length - warnings.length;
  if (more > 0) warnings.push(`${more} more environment variables are unknown`);
  return warnings;
}
