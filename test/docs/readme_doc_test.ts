import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { BUILD_TARGETS } from "../../scripts/build_targets.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import { gatewayConfigSchema } from "../../src/gateway/config.ts";
import { fencesOf, sectionOf, tableRows } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const readme = await Bun.file(`${ROOT}README.md`).text();

test("README.md can be read in one go", () => {
  expect(readme.trimEnd().split("\n").length).toBeLessThanOrEqual(130);
});

test("README.md has every folder in its map, and every document", async () => {
  const { text } = sectionOf(readme, "The map");
  for (const folder of await readdir(`${ROOT}src`)) {
    expect(text).toContain(`\`src/${folder}\``);
  }
  expect(tableRows(text).length).toBeGreaterThan(5);
  const documents = new Bun.Glob("docs/*.md").scanSync(ROOT);
  for (const document of documents) expect(text).toContain(`](${document})`);
});

test("README.md has every target of the build, and no other", () => {
  const { text } = sectionOf(readme, "Install from source");
  const [, told = ""] = /^Targets: ([^;]+);/m.exec(text) ?? [];
  expect(told.split(", ")).toEqual([...BUILD_TARGETS.keys()]);
});

test("README.md begins the first tunnel with configurations that are right", () => {
  // Steps of a list are indented.
  const text = sectionOf(readme, "The first tunnel").text
    .replace(/^ {3}/gm, "");
  const tables = fencesOf(text).filter(({ language }) => language === "toml")
    .map(({ text }) => Bun.TOML.parse(text));
  const schemas = [gatewayConfigSchema, agentConfigSchema];
  const problems = schemas.map((schema, index) =>
    schema.safeParse(tables[index]).error?.issues
  );
  expect(problems).toEqual([undefined, undefined]);
});
