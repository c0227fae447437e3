import { expect, test } from "bun:test";
import { checkLayers } from "../../scripts/check_layers.ts";

const NODE = "must not import node:: the core runs in a browser too";
const WS =
  "must not import ws: Bun swaps it for a built-in: its facts are pinned in one adapter";

const cases: [path: string, source: string, found: string[]][] = [
  ["src/stream/a.ts", 'import { a } from "../protocol/frame.ts";', []],
  ["src/stream/a.ts", 'import { a } from "./window.ts";', []],
  ["src/stream/a.ts", 'import type { A } from "../transport/link.ts";', [
    "src/stream/a.ts:1: stream must not see transport",
  ]],
  ["src/stream/a.ts", 'import { type A } from "../transport/link.ts";', [
    "src/stream/a.ts:1: stream must not see transport",
  ]],
  ["src/agent/a.ts", '\n\nimport "../gateway/registry.ts";', [
    "src/agent/a.ts:3: agent must not see gateway",
  ]],
  ["src/connect/a.ts", 'export { a } from "../agent/agent.ts";', [
    "src/connect/a.ts:1: connect must not see agent",
  ]],
  ["src/runtime/a.ts", 'import type { A } from "../agent/ports.ts";', [
    "src/runtime/a.ts:1: runtime must not see agent",
  ]],
  ["src/runtime/a.ts", 'import type { A } from "../policy/identity.ts";', []],
  ["src/cli/main.ts", 'import { a } from "../gateway/gateway.ts";', []],
  ["src/base/deep/a.ts", 'import { a } from "../../cli/main.ts";', [
    "src/base/deep/a.ts:1: base must not see cli",
  ]],
  ["src/protocol/a.ts", 'const fs = await import("node:fs");', [
    `src/protocol/a.ts:1: protocol ${NODE}`,
  ]],
  ["src/policy/a.ts", 'type A = import("node:net").Socket;', [
    `src/policy/a.ts:1: policy ${NODE}`,
  ]],
  ["src/policy/a.ts", 'const net = require("node:net");', [
    `src/policy/a.ts:1: policy ${NODE}`,
  ]],
  ["src/transport/a.ts", 'export * from "ws";', [
    `src/transport/a.ts:1: transport ${WS}`,
  ]],
  ["src/runtime/a.ts", 'import { WebSocket } from "ws";', [
    `src/runtime/a.ts:1: runtime ${WS}`,
  ]],
  ["src/runtime/ws_link.ts", 'import { WebSocket } from "ws";', []],
  ["src/gateway/a.ts", 'import { cors } from "hono/cors";', []],
  ["src/runtime/a.ts", 'import { a } from "@hono/node-server/conninfo";', []],
  ["src/base/a.ts", 'import { Database } from "bun:sqlite";', [
    "src/base/a.ts:1: base must not import bun:: the core runs in a browser too",
  ]],
  ["src/cli/a.ts", 'import { z } from "lodash/fp";', [
    "src/cli/a.ts:1: lodash is no package of the house: see PACKAGES",
  ]],
  ["src/cli/a.ts", 'import { a } from "@acme/b/c";', [
    "src/cli/a.ts:1: @acme/b is no package of the house: see PACKAGES",
  ]],
  ["src/cli/a.ts", 'import { a } from "../../test/support/site.ts";', [
    "src/cli/a.ts:1: cli must not import test/support/site.ts",
  ]],
  ["src/cli/a.ts", 'import { a } from "./output";', [
    "src/cli/a.ts:1: ./output must end in .ts",
  ]],
  ["src/cli/a.ts", "const name = 1;\nawait import(`./${name}.ts`);", [
    "src/cli/a.ts:2: an import must name what it imports",
  ]],
  ["src/attic/a.ts", 'import { a } from "../base/a.ts";', [
    "src/attic/a.ts:1: attic is no floor of the house: see HOUSE",
  ]],
  ["src/base/a.ts", '// import "ws"\nconst text = \'import "node:fs"\';', []],
];

for (const [path, source, found] of cases) {
  test(`checkLayers() judges ${source.trim()} in ${path}`, async () => {
    expect(await checkLayers(new Map([[path, source]]))).toEqual(found);
  });
}

test("checkLayers() names each file that has a finding", async () => {
  const texts = new Map([
    ["src/base/a.ts", 'import "../agent/agent.ts";'],
    ["src/base/b.ts", "export const b = 1;"],
    ["src/base/c.ts", 'import "../cli/main.ts";\nimport "../stream/a.ts";'],
  ]);
  expect(await checkLayers(texts)).toEqual([
    "src/base/a.ts:1: base must not see agent",
    "src/base/c.ts:1: base must not see cli",
    "src/base/c.ts:2: base must not see stream",
  ]);
});
