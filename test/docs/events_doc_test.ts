import { expect, test } from "bun:test";
import { type LogCall, logCalls } from "./log_calls.ts";
import { sectionOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const events = await Bun.file(new URL("docs/EVENTS.md", ROOT)).text();
const calls = await logCalls();

/** Heading of EVENTS.md => what a path begins with that belongs under it. */
const CHAPTERS: Readonly<Record<string, RegExp>> = {
  "Of the agent":
    /^src\/(?:agent\/|cli\/(?:(?:\w+_)?agent_|own_status)|transport\/supervise\.ts)/,
  "Of the gateway": /^src\/(?:gateway\/|cli\/gateway_)/,
  "Of both": /^src\/runtime\//,
};

test("the source is read: it has log calls of each level and floor", () => {
  expect(new Set(calls.map(({ level }) => level)))
    .toEqual(new Set(["info", "warn", "error"]));
  expect(calls.length).toBeGreaterThan(30);
});

test("every log call belongs under a heading of EVENTS.md", () => {
  const lost = calls.filter(({ path }) =>
    !Object.values(CHAPTERS).some((pattern) => pattern.test(path))
  );
  expect(lost).toEqual([]);
});

for (const [title, pattern] of Object.entries(CHAPTERS)) {
  test(`EVENTS.md has every event "${title}" with level and fields, and no other`, () => {
    const called = calls.filter(({ path }) => pattern.test(path)).map(lineOf);
    const told = rowsOf(title).map(([event, level, fields = ""]) =>
      `${level} ${event} ${fields.replaceAll("`", "")}`
    );
    expect(told.toSorted()).toEqual([...new Set(called)].sort());
  });

  test(`EVENTS.md says what each event "${title}" means`, () => {
    for (const [event, , , meaning = "", todo = ""] of rowsOf(title)) {
      const isSaid = meaning.length > 15 && /^(?:–|[A-Z].{10,})$/.test(todo);
      expect([event, isSaid]).toEqual([event, true]);
    }
  });
}

test("EVENTS.md has every field that a log call has, and no other", () => {
  const told = tableRows(sectionOf(events, "Fields").text)
    .map(([field]) => field);
  const called = calls.flatMap(({ fields }) => fields);
  expect(told).toEqual([...new Set(called)].sort());
});

function lineOf({ level, event, fields, hasFault }: LogCall): string {
  const all = hasFault ? [...fields, "fault"] : [...fields];
  return `${level} ${event} ${all.length === 0 ? "–" : all.join(", ")}`;
}

function rowsOf(title: string): string[][] {
  const rows = tableRows(sectionOf(events, title).text);
  expect(rows.length).toBeGreaterThan(0);
  return rows;
}
