import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { HOUSE, PACKAGES } from "../../scripts/check_layers.ts";
import { sectionOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const architecture = await Bun.file(`${ROOT}docs/ARCHITECTURE.md`).text();
const floors = (await readdir(`${ROOT}src`)).sort();

/** Floor => what the document says of it; one row may be about several. */
const told = new Map(
  tableRows(sectionOf(architecture, "Floors and rooms").text)
    .flatMap(([names = "", imports = "", packages = ""]) =>
      namesIn(names).map((name) => [name, { imports, packages }] as const)
    ),
);

test("ARCHITECTURE.md has every folder of src, and no other", () => {
  expect([...told.keys()].sort()).toEqual(floors);
});

test("ARCHITECTURE.md says of each folder what the layer check lets it import", () => {
  for (const floor of floors) {
    const { imports = "" } = told.get(floor) ?? {};
    const allowed = (HOUSE[floor] ?? []).filter((it) => floors.includes(it));
    expect([floor, importsOf(imports, floor).sort()])
      .toEqual([floor, allowed.toSorted()]);
  }
});

test("ARCHITECTURE.md says of each folder of the core which packages it has", () => {
  for (const floor of floors) {
    // Of the doors it says what their packages are for, and not each.
    if (floor === "runtime" || floor === "cli") continue;
    const { packages = "" } = told.get(floor) ?? {};
    const allowed = Object.entries(PACKAGES)
      .filter(([name, rule]) => rule.in.includes(floor) && !name.includes("/"))
      .map(([name]) => name)
      // `base` might import it, and does not.
      .filter((name) => name !== "fastest-levenshtein");
    for (const name of allowed) {
      expect([floor, packages]).toEqual([floor, expect.stringContaining(name)]);
    }
    if (allowed.length === 0) expect([floor, packages]).toEqual([floor, "–"]);
  }
});

function namesIn(cell: string): string[] {
  return cell.replaceAll("`", "").split(",").map((name) => name.trim());
}

/** "everything" and "all of the above, not each other" are said in words. */
function importsOf(cell: string, floor: string): string[] {
  if (cell === "–") return [];
  if (cell === "everything") return floors.filter((it) => it !== floor);
  if (!cell.startsWith("all of the above")) return namesIn(cell);
  const order = [...told.keys()];
  return order.slice(0, order.indexOf("agent"));
}
