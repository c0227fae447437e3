import { expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";

const ROOT = new URL("../../", import.meta.url).pathname;

const documents = ["*.md", "docs/**/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(ROOT)])
  .sort();

test("documents name only files that there are", async () => {
  const missing: string[] = [];
  let count = 0;
  for (const document of documents) {
    const text = await textOf(document);
    for (const path of pathsIn(text)) {
      count++;
      if (!await exists(path)) missing.push(`${document}: ${path}`);
    }
  }
  expect(missing).toEqual([]);
  expect(count).toBeGreaterThan(20);
});

test("documents link only to files and headings that there are", async () => {
  const broken: string[] = [];
  let count = 0;
  for (const document of documents) {
    const text = await textOf(document);
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      count++;
      const [path = "", anchor] = target.split("#");
      const file = path === ""
        ? document
        : normalize(join(dirname(document), path));
      const isGood = path.endsWith("/")
        ? documents.some((one) => one.startsWith(file))
        : await exists(file) && await hasAnchor(file, anchor);
      if (!isGood) broken.push(`${document}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
  expect(count).toBeGreaterThan(5);
});

test("decisions are numbered without a gap and have the four parts", async () => {
  const decisions = documents.filter((path) => path.startsWith("docs/adr/"));
  expect(decisions.length).toBeGreaterThanOrEqual(10);
  for (const [index, path] of decisions.entries()) {
    const number = String(index + 1).padStart(4, "0");
    const text = await textOf(path);
    expect([path, text.slice(0, 8)]).toEqual([path, `# ${number}: `]);
    expect(path).toStartWith(`docs/adr/${number}-`);
    const parts = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect([path, parts]).toEqual([path, [
      "Context",
      "Decision",
      "Consequences",
      "What would change our mind",
    ]]);
  }
});

async function textOf(document: string): Promise<string> {
  return await Bun.file(join(ROOT, document)).text();
}

/** Paths in code marks that begin with a folder of the repository. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`((?:src|test|scripts|docs)\/[\w./-]*)`/g)]
    .map(([, path = ""]) => path);
}

async function exists(path: string): Promise<boolean> {
  return await Bun.file(join(ROOT, path)).stat().then(() => true, () => false);
}

async function hasAnchor(
  file: string,
  anchor: string | undefined,
): Promise<boolean> {
  if (anchor === undefined) return true;
  return [...(await textOf(file)).matchAll(/^#{1,6} (.*)$/gm)].some((
    [, title = ""],
  ) =>
    title.toLowerCase().replace(/[^\w\s-]/g, "").replace(/ /g, "-") === anchor
  );
}
