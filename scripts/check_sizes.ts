import type { Node, SourceFile } from "typescript/unstable/ast";
import {
  isArrowFunction,
  isBlock,
  isConstructorDeclaration,
  isFunctionDeclaration,
  isFunctionExpression,
  isGetAccessorDeclaration,
  isMethodDeclaration,
  isSetAccessorDeclaration,
} from "typescript/unstable/ast/is";
import {
  lineAt,
  parseSources,
  type SourceTexts,
  walk,
} from "./parse_sources.ts";
import { readSources, reportFindings } from "./read_sources.ts";

/** Ceilings of ours: what the medians of code that is read with ease allow. */
export const FILE_MAX_LINES = 300;
export const FUNCTION_MAX_LINES = 60;

/** File => number of the ADR that says why it may pass a ceiling. */
const EXCEPTIONS: ReadonlyMap<string, number> = new Map();

/**
 * Finds files and functions that are too long to be read at once. A function's
 * doc comment does not count, functions inside it do. A file with an ADR is left
 * alone; an exception without its ADR, or that is not needed, is a finding.
 *
 * @param texts TypeScript is measured by function too; anything else by file.
 * @param adrPaths Such as `docs/adr/0007-one-table.md`.
 */
export async function checkSizes(
  texts: SourceTexts,
  adrPaths: readonly string[],
  exceptions: ReadonlyMap<string, number> = EXCEPTIONS,
): Promise<string[]> {
  const findings: string[] = [];
  const excused = new Set<string>();
  const find = (path: string, text: string) => {
    if (exceptions.has(path)) excused.add(path);
    else findings.push(text);
  };
  for (const [path, text] of texts) {
    const lines = lineAt(text, text.trimEnd().length);
    if (lines > FILE_MAX_LINES) {
      find(path, `${path}: ${lines} lines, at most ${FILE_MAX_LINES}`);
    }
  }
  const typescript = [...texts].filter(([path]) => path.endsWith(".ts"));
  for (const [path, source] of await parseSources(new Map(typescript))) {
    for (const { line, name, lines } of longFunctions(source)) {
      const text = `${name} has ${lines} lines, at most ${FUNCTION_MAX_LINES}`;
      find(path, `${path}:${line}: ${text}`);
    }
  }
  for (const [path, adr] of exceptions) {
    const prefix = `docs/adr/${String(adr).padStart(4, "0")}-`;
    if (!adrPaths.some((adrPath) => adrPath.startsWith(prefix))) {
      findings.push(`${path}: excused by ${prefix}*.md, which is not there`);
    } else if (!excused.has(path)) {
      findings.push(`${path}: excused by ADR ${adr}, and needs no excuse`);
    }
  }
  return findings;
}

interface LongFunction {
  readonly line: number;
  readonly name: string;
  readonly lines: number;
}

function longFunctions(source: SourceFile): LongFunction[] {
  const found: LongFunction[] = [];
  walk(source, (node) => {
    if (!isFunctionWithBody(node)) return;
    const line = lineAt(source.text, node.getStart(source));
    const lines = lineAt(source.text, node.end) - line + 1;
    if (lines > FUNCTION_MAX_LINES) {
      found.push({ line, name: nameOf(node, source), lines });
    }
  });
  return found;
}

function isFunctionWithBody(node: Node): boolean {
  return isFunctionDeclaration(node) || isFunctionExpression(node) ||
    isMethodDeclaration(node) || isConstructorDeclaration(node) ||
    isGetAccessorDeclaration(node) || isSetAccessorDeclaration(node) ||
    isArrowFunction(node) && isBlock(node.body);
}

function nameOf(node: Node, source: SourceFile): string {
  if (isConstructorDeclaration(node)) return "constructor()";
  const name = "name" in node ? node.name as Node | undefined : undefined;
  return name ? `${name.getText(source)}()` : "a nameless function";
}

if (import.meta.main) {
  const texts = await readSources(
    "{src,test,scripts,bench}/**/*.ts",
    "scripts/*",
    "install.sh",
  );
  const adrs = await readSources("docs/adr/*.md");
  reportFindings(await checkSizes(texts, [...adrs.keys()]), texts);
}
