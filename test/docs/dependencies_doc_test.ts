import { expect, test } from "bun:test";
import { sectionOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);

test("DEPENDENCIES.md has every package of package.json at its version", async () => {
  const text = await Bun.file(new URL("docs/DEPENDENCIES.md", ROOT)).text();
  const manifest = await Bun.file(new URL("package.json", ROOT)).json();
  const told = ["In the binary", "For building and testing"].map((title) =>
    tableRows(sectionOf(text, title).text).map(([name, version]) => [
      name,
      version,
    ])
  );
  expect(told).toEqual([
    Object.entries(manifest.dependencies),
    Object.entries(manifest.devDependencies),
  ]);
});

test("DEPENDENCIES.md says of every package why, and what without it", async () => {
  const text = await Bun.file(new URL("docs/DEPENDENCIES.md", ROOT)).text();
  const rows = tableRows(text);
  expect(rows.length).toBeGreaterThan(10);
  for (const [name, , why = "", without = ""] of rows) {
    const isSaid = why.length > 10 && without.length > 5;
    expect([name, isSaid]).toEqual([name, true]);
  }
});
