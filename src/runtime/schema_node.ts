import * as z from "zod/mini";

interface Known {
  /** The value may be shown to nobody, and repeated nowhere. */
  readonly isSecret: boolean;
  /** A line of TOML that is right. */
  readonly example: string | undefined;
}

interface Leaf extends Known {
  readonly kind: "integer" | "boolean" | "text";
}

/** What the shape of a configuration is, as far as a file must know it. */
export type SchemaNode =
  | Known & {
    readonly kind: "table";
    readonly keys: ReadonlyMap<string, SchemaNode>;
  }
  /** A table whose keys its author chooses. */
  | Known & { readonly kind: "record"; readonly value: SchemaNode }
  | Known & { readonly kind: "list"; readonly item: SchemaNode }
  | Leaf;

/**
 * Returns the shape of `schema`. The only reader of zod's inside.
 *
 * `z.meta({ secret: true, example: "key = value" })` among a field's checks
 * says the rest.
 *
 * @throws {TypeError} If the schema holds what no configuration needs.
 */
export function schemaNode(schema: z.core.$ZodType): SchemaNode {
  return nodeOf(schema, { isSecret: false, example: undefined });
}

function nodeOf(schema: z.core.$ZodType, outside: Known): SchemaNode {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const known = knownOf(schema, outside);
  switch (def.type) {
    case "optional":
    case "default":
    case "prefault":
    case "readonly":
      return nodeOf(def.innerType, known);
    case "pipe":
      return nodeOf(def.in, known);
    case "object":
      return { ...known, kind: "table", keys: keysOf(def.shape, known) };
    case "record":
      return { ...known, kind: "record", value: nodeOf(def.valueType, known) };
    case "array":
      return { ...known, kind: "list", item: nodeOf(def.element, known) };
    case "number":
      return { ...known, kind: "integer" };
    case "boolean":
      return { ...known, kind: "boolean" };
    case "string":
    case "enum":
      return { ...known, kind: "text" };
    default:
      throw new TypeError(`Cannot read a schema of type "${def.type}"`);
  }
}

function keysOf(
  shape: z.core.$ZodLooseShape,
  outside: Known,
): Map<string, SchemaNode> {
  const entries = Object.entries(shape).map(([key, part]) =>
    [key, nodeOf(part, { ...outside, example: undefined })] as const
  );
  return new Map(entries);
}

function knownOf(schema: z.core.$ZodType, outside: Known): Known {
  const { secret, example } = { ...z.globalRegistry.get(schema) };
  return {
    isSecret: outside.isSecret || secret === true,
    example: typeof example === "string" ? example : outside.example,
  };
}

/** Returns the node at `path`, or undefined where the schema knows none. */
export function nodeAt(
  root: SchemaNode,
  path: readonly PropertyKey[],
): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "table") node = node.keys.get(String(step));
    else if (node?.kind === "record") node = node.value;
    else if (node?.kind === "list") node = node.item;
    else return undefined;
  }
  return node;
}
