import { expect, test } from "bun:test";
import * as z from "zod/mini";
import * as control from "../../src/protocol/control.ts";
import { FAULTS } from "../../src/protocol/fault.ts";
import * as limits from "../../src/protocol/limits.ts";
import * as stream from "../../src/protocol/stream_message.ts";
import * as version from "../../src/protocol/version.ts";
import { fencesOf, sectionOf, sectionsOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const protocol = await textOf("docs/PROTOCOL.md");

/** Every object schema with a fixed `type` that the two files export. */
const MESSAGES = [...Object.values(control), ...Object.values(stream)]
  .filter((value) => value instanceof z.ZodMiniObject)
  .flatMap(({ shape }) => {
    const type: unknown = Object.entries(shape)
      .find(([key]) => key === "type")?.[1];
    return type instanceof z.ZodMiniLiteral
      ? [{ type: String(type.def.values[0]), keys: Object.keys(shape) }]
      : [];
  });

test("PROTOCOL.md has every fault with its close code, lane and exit status", () => {
  const told = tableRows(sectionOf(protocol, "8. ").text)
    .map(([code = "", closeCode, retry, exitCode]) => [
      code,
      { closeCode: Number(closeCode), retry, exitCode: Number(exitCode) },
    ]);
  expect<unknown>(Object.fromEntries(told)).toEqual(FAULTS);
  expect(told.length).toBe(Object.keys(FAULTS).length);
});

test("PROTOCOL.md says what each fault means", () => {
  for (const row of tableRows(sectionOf(protocol, "8. ").text)) {
    expect(row[4]).toMatch(/^[a-z].{10,}[^.]$/);
  }
});

test("PROTOCOL.md has every limit with its value", () => {
  const told = tableRows(sectionOf(protocol, "9. ").text)
    .map(([, value, name = ""]) => [name, Number(value)]);
  expect(Object.fromEntries(told)).toEqual({ ...limits });
});

test("PROTOCOL.md has a heading for every message of the schemas", async () => {
  const sources = [
    await textOf("src/protocol/control.ts"),
    await textOf("src/protocol/stream_message.ts"),
  ];
  const types = sources.map((source) =>
    new Set(
      [...source.matchAll(/type: z\.literal\("([a-z]+)"\)/g)]
        .map(([, type = ""]) => type),
    )
  );
  // A stream has the control link's heartbeat, spelled in one way.
  types[1]?.add("heartbeat");
  expect([titlesOf("4"), titlesOf("5")]).toEqual(
    types.map((set) => [...set].sort()),
  );
});

test("PROTOCOL.md has every field of every message, and no other", () => {
  expect(MESSAGES.length).toBeGreaterThanOrEqual(10);
  for (const { type, keys } of MESSAGES) {
    const { text } = messageSectionOf(type);
    const told = tableRows(text).map(([field]) => field);
    expect([type, told]).toEqual([type, keys.filter((key) => key !== "type")]);
  }
});

test("PROTOCOL.md has an example of every message, as test/vectors has it", async () => {
  const examples = fencesOf(protocol)
    .filter(({ language }) => language === "json")
    .map(({ text, lead }) => ({ lead, message: JSON.parse(text) }));
  for (const { lead, message } of examples) {
    const [, name = "", file = ""] = /^Vector `(.+)` of `(\w+\.json)`:$/
      .exec(lead) ?? [];
    expect([lead, message]).toEqual([lead, await vectorMessage(file, name)]);
    // Each of the vectors quoted has every field of its message.
    const told = tableRows(messageSectionOf(message.type).text)
      .map(([field]) => field);
    expect(["type", ...told]).toEqual(Object.keys(message));
  }
  const types = new Set(examples.map(({ message }) => message.type));
  // A stream's heartbeats are no JSON here: they stand to the byte.
  expect([...types].sort()).toEqual(
    [...new Set([...titlesOf("4"), ...titlesOf("5")])].sort(),
  );
});

test("PROTOCOL.md spells a stream's heartbeats to the byte", () => {
  const [fence] = fencesOf(messageSection("5", "heartbeat").text);
  expect(fence?.text).toBe(
    `${stream.HEARTBEAT_TEXT}\n${stream.HEARTBEAT_ECHO_TEXT}\n`,
  );
});

test("PROTOCOL.md has every path and subprotocol", () => {
  const { text } = sectionOf(protocol, "2.2 ");
  const pages = sectionOf(protocol, "2.5 ").text;
  for (const value of Object.values(version)) {
    if (typeof value !== "string") continue;
    expect(`${text}${pages}`).toContain(value);
  }
});

async function vectorMessage(file: string, name: string): Promise<unknown> {
  const { vectors } = JSON.parse(await textOf(`test/vectors/${file}`)) as {
    vectors: { name: string; message?: unknown }[];
  };
  return vectors.find((vector) => vector.name === name)?.message;
}

async function textOf(path: string): Promise<string> {
  return await Bun.file(new URL(path, ROOT)).text();
}

/** The messages that have a heading of their own in a chapter, sorted. */
function titlesOf(chapter: string): string[] {
  return sectionsOf(protocol).flatMap(({ title }) => {
    const [, number = "", type] = /^(\d+)\.\d+ `(\w+)`$/.exec(title) ?? [];
    return number === chapter && type !== undefined ? [type] : [];
  }).sort();
}

/** The first section of a message of this type: both links have heartbeats. */
function messageSectionOf(type: string) {
  const chapter = titlesOf("4").includes(type) ? "4" : "5";
  return messageSection(chapter, type);
}

function messageSection(chapter: string, type: string) {
  const titles = sectionsOf(protocol).map(({ title }) => title)
    .filter((title) => title.startsWith(`${chapter}.`))
    .filter((title) => title.endsWith(` \`${type}\``));
  return sectionOf(protocol, titles[0] ?? `${chapter}.? ${type}`);
}
