import { expect, test } from "bun:test";
import { z } from "zod";
import {
  nodeAt,
  type SchemaNode,
  schemaNode,
} from "../../src/runtime/schema_node.ts";

const schema = z.strictObject({
  port: z.int().min(1).default(22),
  name: z.string().refine((text) => text !== "").optional(),
  format: z.enum(["text", "json"]).default("text"),
  loud: z.boolean().prefault(false).readonly(),
  proxy: z.string().meta({ secret: true, example: "proxy = x" }).optional(),
  services: z.record(z.string(), z.string().transform((text) => [text])),
  tls: z.strictObject({ files: z.array(z.string()) }).optional(),
}).superRefine(() => undefined);

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
  const list = z.array(z.string()).meta({ secret: true });
  expect(nodeAt(schemaNode(z.strictObject({ list })), ["list", 0]))
    .toEqual({ kind: "text", isSecret: true, example: undefined });
});

test("schemaNode() throws at what no configuration needs", () => {
  expect(() => schemaNode(z.strictObject({ when: z.date() })))
    .toThrow('Cannot read a schema of type "date"');
});
