import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import type * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { environmentName, environmentValues } from "./config_environment.ts";
import type { EnvironmentValue } from "./config_environment.ts";
import type { Problem } from "./config_problems.ts";
import { errorCode, readText } from "./files.ts";
import { type SchemaNode, schemaNode } from "./schema_node.ts";

export interface ConfigRequest<S extends z.ZodMiniObject> {
  /** A strict object; its messages say what is expected, as a noun. */
  readonly schema: S;
  /** Path of a TOML file; undefined: there is none. */
  readonly file: string | undefined;
  /** Whether a file that does not exist is an error. */
  readonly fileRequired: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables, named as in `env`, that only fill in what nothing else says. */
  readonly envDefaults?: Readonly<Record<string, string | undefined>>;
  /** `MIGASFREE_AGENT_` for one. */
  readonly envPrefix: string;
  /** What is read, for people: "agent configuration". */
  readonly what: string;
}

export interface LoadedConfig<T> {
  readonly config: T;
  /** What is odd and did not stop us, as sentences. */
  readonly warnings: readonly string[];
}

type Table = Record<string, unknown>;

/** Problems that are told; more are only counted. */
const PROBLEMS_MAX_COUNT = 8;

/**
 * Reads a configuration: the file, and the environment over it.
 *
 * A relative path in the file is relative to the file's directory, for keys
 * that are or end in `file`, `dir` or `socket`, and for `_files`.
 *
 * @throws {Fault} `configInvalid`, naming the file, and each key with what
 * was found and what was expected. Secrets are not repeated.
 */
export async function loadConfig<S extends z.ZodMiniObject>(
  request: ConfigRequest<S>,
): Promise<LoadedConfig<z.output<S>>> {
  const { schema, env, envDefaults = {}, envPrefix } = request;
  const root = schemaNode(schema);
  const text = await readIfThere(request);
  const table: Table = text === undefined ? {} : parseToml(text, request);
  if (text !== undefined && request.file !== undefined) {
    resolvePaths(table, root, dirname(resolve(request.file)));
  }
  const fallbacks = environmentValues(root, envDefaults, envPrefix);
  for (const value of fallbacks.values) setValue(table, value, "unlessThere");
  const { values, warnings } = environmentValues(root, env, envPrefix);
  for (const value of values) setValue(table, value);
  const result = schema.safeParse(table);
  if (result.success) return { config: result.data, warnings };
  // Only what is wrong needs words.
  const words = await import("./config_problems.ts");
  const { error } = schema.safeParse(table, { error: words.expectation });
  const problems = words.configProblems(error?.issues ?? [], {
    root,
    table,
    file: request.file,
    environmentNameOf: (path) => environmentName(envPrefix, path),
    givenBy: new Map(
      values.map(({ path, name }) => [JSON.stringify(path), name]),
    ),
  });
  throw invalid(problems, text !== undefined, request);
}

async function readIfThere(
  request: Omit<ConfigRequest<z.ZodMiniObject>, "schema">,
): Promise<string | undefined> {
  const { file, fileRequired, what } = request;
  if (file === undefined) return undefined;
  try {
    return await readText(file, what);
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (!fileRequired && errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
}

function parseToml(
  text: string,
  request: { readonly file: string | undefined; readonly what: string },
): Table {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Neither the rest of its message nor itself as a cause: both quote the
    // lines of the file, and a password may stand there.
    const [headline = ""] = error.message.split("\n");
    const fact = plainText(headline.replace(/^.*document: /, ""), 120);
    throw new Fault(
      "configInvalid",
      `Cannot read ${request.what} ${request.file}: ` +
        `line ${error.line}, column ${error.column}: ${fact}`,
      { hint: "Correct the line; text stands in quotes, one key per line" },
    );
  }
}

function resolvePaths(table: Table, node: SchemaNode, folder: string): void {
  if (node.kind !== "table") return;
  for (const [key, inside] of node.keys) {
    const value = Object.hasOwn(table, key) ? table[key] : undefined;
    if (/(?:^|_)(?:file|dir|socket)$/.test(key) && typeof value === "string") {
      table[key] = resolveFrom(folder, value);
    } else if (/_files$/.test(key) && Array.isArray(value)) {
      table[key] = value.map((item: unknown) =>
        typeof item === "string" ? resolveFrom(folder, item) : item
      );
    } else if (isTable(value)) resolvePaths(value, inside, folder);
  }
}

/** An empty path stays one, for the schema to refuse. */
function resolveFrom(folder: string, path: string): string {
  return path === "" ? "" : resolve(folder, path);
}

/** Does nothing where the file has no table: the schema will say so. */
function setValue(
  table: Table,
  { path, value }: EnvironmentValue,
  when: "always" | "unlessThere" = "always",
): void {
  let inside: unknown = table;
  for (const key of path.slice(0, -1)) {
    if (!isTable(inside)) return;
    inside = inside[key] ??= {};
  }
  const last = path.at(-1);
  if (!isTable(inside) || last === undefined) return;
  if (when === "always" || !Object.hasOwn(inside, last)) inside[last] = value;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null &&
    !Array.isArray(value) && !(value instanceof Date);
}

function invalid(
  problems: readonly Problem[],
  isFileRead: boolean,
  request: { readonly file: string | undefined; readonly what: string },
): Fault {
  const { file, what } = request;
  const told = problems.slice(0, PROBLEMS_MAX_COUNT).map(({ text }) => text);
  const more = problems.length - told.length;
  if (more > 0) told.push(`and ${more} more`);
  const where = file === undefined
    ? what
    : isFileRead
    ? `${what} ${file}`
    : `${what} (there is no ${file})`;
  return new Fault(
    "configInvalid",
    `Cannot read ${where}: ${told.join("; ")}`,
    { hint: problems[0]?.hint },
  );
}
