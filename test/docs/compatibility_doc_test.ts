import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";

const ITEMS_COUNT = 64;

/** `item 7: …` or `items 34-37, 51: …` at the beginning of a test's name. */
const TITLE_REGEXP = /["'`]items? ([0-9][0-9, –-]*)[:,]/g;

/** `- Item 7: why not`, in the document. */
const EXCUSE_REGEXP = /^- Item ([0-9]+): ./gm;

function itemsIn(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first = NaN, last = first] = part.split(/[–-]/).map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

test("every item of the conformance list has a test, or a line that says why not", async () => {
  const found = new Set<number>();
  for await (const file of new Glob("test/**/*_test.ts").scan(".")) {
    const text = readFileSync(file, "utf8");
    for (const [, items = ""] of text.matchAll(TITLE_REGEXP)) {
      for (const item of itemsIn(items)) found.add(item);
    }
  }
  const doc = readFileSync("docs/COMPATIBILITY.md", "utf8");
  for (const [, item] of doc.matchAll(EXCUSE_REGEXP)) found.add(Number(item));
  const missing = Array.from({ length: ITEMS_COUNT }, (_, i) => i + 1)
    .filter((item) => !found.has(item));
  expect(missing).toEqual([]);
});
