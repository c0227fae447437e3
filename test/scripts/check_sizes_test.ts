import { expect, test } from "bun:test";
import {
  checkSizes,
  FILE_MAX_LINES,
  FUNCTION_MAX_LINES,
} from "../../scripts/check_sizes.ts";

function repeated(line: string, count: number): string {
  return `${line}\n`.repeat(count);
}

/** A function of `lines` lines, opened and closed by the given texts. */
function ofLines(open: string, close: string, lines: number): string {
  return `${open}\n${repeated("  a();", lines - 2)}${close}\n`;
}

const shapes: [name: string, open: string, close: string, line: number][] = [
  ["f()", "function f() {", "}", 1],
  ["f()", "/** Says why.\n *\n * At length. */\nexport function f() {", "}", 4],
  ["a nameless function", "const f = function () {", "};", 1],
  ["a nameless function", "const f = () => {", "};", 1],
  ["a nameless function", 'test("x", async () => {', "});", 1],
  ["m()", "class A { m() {", "} }", 1],
  ["#m()", "class A { async #m() {", "} }", 1],
  ["a()", "class A { get a() {", "} }", 1],
  ["a()", "class A { set a(value) {", "} }", 1],
  ["constructor()", "class A { constructor() {", "} }", 1],
  ["m()", "const a = { m() {", "} };", 1],
];

for (const [name, open, close, line] of shapes) {
  test(`checkSizes() counts the lines of ${open}`, async () => {
    const most = ofLines(open, close, FUNCTION_MAX_LINES);
    expect(await checkSizes(new Map([["src/a.ts", most]]), [])).toEqual([]);
    const more = ofLines(open, close, FUNCTION_MAX_LINES + 1);
    expect(await checkSizes(new Map([["src/a.ts", more]]), [])).toEqual([
      `src/a.ts:${line}: ${name} has 61 lines, at most 60`,
    ]);
  });
}

test("checkSizes() counts what is inside a function as part of it", async () => {
  const inner = repeated("  const g = () => {\n  a();\n  };", 20);
  const text = `function f() {\n${inner}}\n`;
  expect(await checkSizes(new Map([["test/a_test.ts", text]]), [])).toEqual([
    "test/a_test.ts:1: f() has 62 lines, at most 60",
  ]);
});

test("checkSizes() lets a long table be", async () => {
  const text = `const rows = [\n${repeated("  1,", 200)}];\n`;
  expect(await checkSizes(new Map([["src/a.ts", text]]), [])).toEqual([]);
});

test("checkSizes() takes a file at the limit and refuses one line more", async () => {
  const texts = new Map([
    ["src/most.ts", repeated("a();", FILE_MAX_LINES)],
    ["src/more.ts", repeated("a();", FILE_MAX_LINES + 1)],
    ["scripts/check", repeated("true", FILE_MAX_LINES + 1)],
  ]);
  expect(await checkSizes(texts, [])).toEqual([
    "src/more.ts: 301 lines, at most 300",
    "scripts/check: 301 lines, at most 300",
  ]);
});

const LONG = new Map([["src/a.ts", repeated("a();", FILE_MAX_LINES + 1)]]);

test("checkSizes() excuses a file that has its ADR", async () => {
  const adrs = ["docs/adr/0007-one-table.md"];
  const exceptions = new Map([["src/a.ts", 7]]);
  expect(await checkSizes(LONG, adrs, exceptions)).toEqual([]);
});

test("checkSizes() refuses an excuse whose ADR is missing", async () => {
  const adrs = ["docs/adr/0070-another.md"];
  expect(await checkSizes(LONG, adrs, new Map([["src/a.ts", 7]]))).toEqual([
    "src/a.ts: excused by docs/adr/0007-*.md, which is not there",
  ]);
});

test("checkSizes() refuses an excuse that nobody needs", async () => {
  const adrs = ["docs/adr/0007-one-table.md"];
  const texts = new Map([["src/a.ts", "a();\n"]]);
  expect(await checkSizes(texts, adrs, new Map([["src/a.ts", 7]]))).toEqual([
    "src/a.ts: excused by ADR 7, and needs no excuse",
  ]);
});
