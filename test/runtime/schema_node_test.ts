import { expect, test } from "bun:test";
import * as z from "zod/mini";
import {
  nodeAt,
  type SchemaNode,
  schemaNode,
} from "../../src/runtime/schema_node.ts";

const schema = z.strictObject({
  port: z._default(z.int().check(z.minimum(1)), 22),
  name: z.optional(z.string().check(z.refine((text) => text !== ""))),
  format: z._default(z.enum(["text", "json"]), "text"),
  loud: z.readonly(z.prefault(z.boolean(), false)),
  proxy: z.optional(
    z.string().check(z.meta({ secret: true, example: "proxy = x" })),
  ),
  services: z.record(
    z.string(),
    z.pipe(z.string(), z.transform((text) => [text])),
  ),
  tls: z.optional(z.strictObject({ files: z.array(z.string()) })),
}).check(z.superRefine(() => undefined));

function kindAt(...path: PropertyKey[]): SchemaNode["kind"] | undefined {
  return nodeAt(schemaNode(schema), path)?.kind;
}

test("schemaNode() sees through defaults, checks and transformations", () => {
  expect(kindAt()).toBe("table");
  expect(kindAt("port")).toBe("integer");
  expect(kindAt("name")).toBe("text");
  expect(kindAt("format")).toBe("text");
  expect(kindAt("loud")).toBe("boolean");
  expect(kindAt("services")).toBe("record");
  expect(kindAt("services", "any")).toBe("text");
  expect(kindAt("tls")).toBe("table");
  expect(kindAt("tls", "files")).toBe("list");
  expect(kindAt("tls", "files", 3)).toBe("text");
});

test("nodeAt() knows nothing beyond the schema", () => {
  expect(kindAt("prot")).toBeUndefined();
  expect(kindAt("port", "inside")).toBeUndefined();
  expect(kindAt("tls", "toString")).toBeUndefined();
});

test("schemaNode() takes over what is secret, and the example", () => {
  const root = schemaNode(schema);
  expect(nodeAt(root, ["proxy"]))
    .toEqual({ kind: "text", isSecret: true, example: "proxy = x" });
  expect(nodeAt(root, ["name"]))
    .toEqual({ kind: "text", isSecret: false, example: undefined });
});

test("schemaNode() holds all that is inside a secret for secret", () => {
  const list = z.array(z.string()).check(z.meta({ secret: true }));
  expect(nodeAt(schemaNode(z.strictObject({ list })), ["list", 0]))
    .toEqual({ kind: "text", isSecret: true, example: undefined });
});

test("schemaNode() throws at what no configuration needs", () => {
  expect(() => schemaNode(z.strictObject({ when: z.date() })))
    .toThrow('Cannot read a schema of type "date"');
});
