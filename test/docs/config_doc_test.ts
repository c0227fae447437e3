import { expect, test } from "bun:test";
import * as z from "zod/mini";
import { agentConfig, agentPlaces } from "../../src/agent/config.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import {
  gatewayConfig,
  gatewayConfigSchema,
} from "../../src/gateway/config.ts";
import { printSocketAddress } from "../../src/protocol/socket_address.ts";
import { environmentName } from "../../src/runtime/config_environment.ts";
import { fencesOf, sectionOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const operations = await Bun.file(new URL("docs/OPERATIONS.md", ROOT)).text();

/** A key of a configuration, as its schema has it. */
interface Key {
  readonly path: readonly string[];
  readonly field: z.ZodMiniType;
}

const AGENT = {
  keys: keysOf(agentConfigSchema),
  prefix: "MIGASFREE_AGENT_",
  rows: tableRows(sectionOf(operations, "agent.toml").text),
};
const GATEWAY = {
  keys: keysOf(gatewayConfigSchema),
  prefix: "MIGASFREE_GATEWAY_",
  rows: tableRows(sectionOf(operations, "gateway.toml").text),
};

for (
  const [file, { keys, prefix, rows }] of Object.entries({ AGENT, GATEWAY })
) {
  test(`OPERATIONS.md has every key of ${file} with its variable, and no other`, () => {
    const told = rows.map((row) => [row[0], row[4]]);
    const known = keys.map(({ path, field }) => {
      const last = bare(field) instanceof z.ZodMiniRecord ? ["NAME"] : [];
      const name = environmentName(prefix, [...path, ...last]);
      return [path.join("."), name];
    });
    expect(told).toEqual(known);
  });

  test(`OPERATIONS.md has the bounds of every number of ${file}`, () => {
    for (const [index, { path, field }] of keys.entries()) {
      const type = typeOf(bare(field));
      if (type === undefined) continue;
      expect([path, rows[index]?.[1]?.replaceAll("`", "")])
        .toEqual([path, type]);
    }
  });

  test(`OPERATIONS.md says what each key of ${file} means`, () => {
    for (const [key, type = "", , meaning = ""] of rows) {
      const isSaid = type.length > 3 && meaning.length > 4;
      expect([key, isSaid]).toEqual([key, true]);
    }
  });
}

test("OPERATIONS.md has every default of agent.toml", () => {
  const file = agentConfigSchema.parse({});
  const { stateDir, statusSocket } = agentPlaces(file, { name: "host" });
  expectDefaults(AGENT, {
    "state_dir": stateDir,
    "status_socket": statusSocket,
  });
});

test("OPERATIONS.md has every default of gateway.toml", () => {
  const file = gatewayConfigSchema.parse({
    behind_proxy: { trusted: ["127.0.0.1/32"] },
  });
  const { auditFile, metricsListen } = gatewayConfig(file);
  expectDefaults(GATEWAY, {
    "audit_file": auditFile,
    "metrics_listen": metricsListen,
  });
});

test("OPERATIONS.md shows configurations that are right", () => {
  const shown = fencesOf(operations)
    .filter(({ language }) => language === "toml")
    .map(({ text }) => Bun.TOML.parse(text) as Record<string, unknown>);
  expect(shown.length).toBe(4);
  for (const table of shown) {
    const isAgents = "services" in table;
    const parsed = (isAgents ? agentConfigSchema : gatewayConfigSchema)
      .safeParse(table);
    expect([table, parsed.error?.issues]).toEqual([table, undefined]);
    if (!isAgents) continue;
    const config = agentConfig(agentConfigSchema.parse(table), { name: "x" });
    expect(config?.deviceId).toBe(7);
  }
});

/** What `derived` has depends on other keys, or on the machine. */
function expectDefaults(
  { keys, rows }: typeof AGENT,
  derived: Readonly<Record<string, unknown>>,
): void {
  for (const [index, { path, field }] of keys.entries()) {
    const key = path.join(".");
    const told = rows[index]?.[2] ?? "";
    const parsed = field.safeParse(undefined);
    const value = parsed.data ?? derived[key];
    if (!parsed.success) expect([key, told]).toEqual([key, "required"]);
    else if (value !== undefined) {
      expect([key, told]).toEqual([key, tomlText(value)]);
    } // There is none, or words say where it comes from.
    else {expect([key, told]).toEqual([
        key,
        expect.not.stringMatching(/^[`"\d]/),
      ]);}
  }
}

/** All keys that hold a value, tables opened. */
function keysOf(schema: z.ZodMiniType, path: readonly string[] = []): Key[] {
  const table = bare(schema);
  if (!(table instanceof z.ZodMiniObject)) return [{ path, field: schema }];
  return Object.entries(table.shape as Record<string, z.ZodMiniType>)
    .flatMap(([key, field]) => keysOf(field, [...path, key]));
}

/** Without what says whether it must be there. */
function bare(schema: z.ZodMiniType): z.ZodMiniType {
  const { innerType } = schema.def as { innerType?: z.ZodMiniType };
  return innerType === undefined ? schema : bare(innerType);
}

/** Undefined: words say it better. */
function typeOf(field: z.ZodMiniType): string | undefined {
  if (field instanceof z.ZodMiniBoolean) return "boolean";
  if (field instanceof z.ZodMiniEnum) {
    return field.options.map((option) => JSON.stringify(option)).join(" or ");
  }
  return field instanceof z.ZodMiniNumber
    ? `integer, ${boundOf(field, "greater_than")} to ${
      boundOf(field, "less_than")
    }`
    : undefined;
}

function boundOf(field: z.ZodMiniType, name: string): unknown {
  const checks = field.def.checks?.map(({ _zod }) => _zod.def) ?? [];
  return Object(checks.findLast(({ check }) => check === name))["value"];
}

function tomlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const { host, port } = value as Record<string, unknown>;
  if (typeof host === "string" && typeof port === "number") {
    return JSON.stringify(printSocketAddress({ host, port }));
  }
  const pairs = Object.entries(value)
    .map(([key, inside]) => `${key} = ${tomlText(inside)}`);
  return `{ ${pairs.join(", ")} }`;
}
