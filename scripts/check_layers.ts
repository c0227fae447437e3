import { type Node, SyntaxKind } from "typescript/unstable/ast";
import {
  isCallExpression,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isStringLiteral,
} from "typescript/unstable/ast/is";
import {
  lineAt,
  parseSources,
  type SourceTexts,
  walk,
} from "./parse_sources.ts";
import { readSources, reportFindings } from "./read_sources.ts";

/** Folder under `src/` => the folders it may import, besides itself. */
export const HOUSE: Record<string, readonly string[]> = {
  base: [],
  protocol: ["base"],
  policy: ["base", "protocol"],
  stream: ["base", "protocol"],
  transport: ["base", "protocol", "stream"],
  agent: ["base", "protocol", "policy", "stream", "transport"],
  gateway: ["base", "protocol", "policy", "stream", "transport"],
  connect: ["base", "protocol", "policy", "stream", "transport"],
  browser: ["base", "protocol", "stream", "transport", "connect"],
  runtime: ["base", "protocol", "policy", "transport"],
  cli: [
    "base",
    "protocol",
    "policy",
    "stream",
    "transport",
    "agent",
    "gateway",
    "connect",
    "runtime",
  ],
};

interface PackageRule {
  /** Folders under `src/`, or single files. */
  readonly in: readonly string[];
  readonly why: string;
}

/** Package, or `prefix:` => who may import it, and why nobody else may. */
export const PACKAGES: Record<string, PackageRule> = {
  "node:": {
    in: ["runtime", "cli"],
    why: "the core runs in a browser too",
  },
  "bun:": {
    in: ["runtime", "cli"],
    why: "the core runs in a browser too",
  },
  bun: { in: ["runtime", "cli"], why: "the core runs in a browser too" },
  ws: {
    in: [
      "src/runtime/ws_dial.ts",
      "src/runtime/ws_link.ts",
      "src/runtime/ws_server.ts",
    ],
    why: "Bun swaps it for a built-in: its facts are pinned in one adapter",
  },
  hono: {
    in: ["gateway", "runtime"],
    why: "HTTP is one door of one room",
  },
  "@hono/node-server": {
    in: ["gateway", "runtime"],
    why: "it joins hono to the server that reads client certificates",
  },
  zod: {
    in: [
      "protocol",
      "policy",
      "agent",
      "gateway",
      "connect",
      "runtime",
      "cli",
    ],
    why: "data is parsed where it enters, and trusted after",
  },
  "smol-toml": {
    in: ["runtime"],
    why: "files are read in one place",
  },
  "@peculiar/x509": {
    in: ["runtime"],
    why: "certificates are made and read in one place, and it loads slowly",
  },
  "node-forge": {
    in: ["src/runtime/pkcs12.ts"],
    why: "it reads PKCS#12 and nothing else: all other cryptography is native",
  },
  // It patches Reflect for everybody: the X.509 library wants it first.
  "reflect-metadata": {
    in: ["runtime"],
    why: "only the X.509 library needs it",
  },
  commander: { in: ["cli"], why: "only the command line has flags" },
  "fastest-levenshtein": {
    in: ["base", "cli", "runtime"],
    why: "spelling is corrected where people write: flags and keys",
  },
};

/**
 * Finds imports that go up, across, out of the house, or to a package that its
 * floor has no business with. Type-only imports count: they too decide what can
 * be read on its own. Returns one line per finding.
 */
export async function checkLayers(texts: SourceTexts): Promise<string[]> {
  const findings: string[] = [];
  for (const [path, source] of await parseSources(texts)) {
    walk(source, (node) => {
      const specifier = importedBy(node);
      if (specifier === undefined) return;
      const place = `${path}:${lineAt(source.text, node.getStart(source))}`;
      for (const text of forbidden(path, specifier)) {
        findings.push(`${place}: ${text}`);
      }
    });
  }
  return findings;
}

/**
 * What an import, re-export, `import()` or type `import()` names; an empty text
 * if that is only known when it runs; undefined for any other node.
 */
function importedBy(node: Node): string | undefined {
  if (isImportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (isExportDeclaration(node) && node.moduleSpecifier) {
    return textOf(node.moduleSpecifier);
  }
  if (isImportTypeNode(node)) {
    const { argument } = node;
    return textOf(isLiteralTypeNode(argument) ? argument.literal : argument);
  }
  if (!isCallExpression(node)) return undefined;
  const { expression } = node;
  const isImport = expression.kind === SyntaxKind.ImportKeyword ||
    isIdentifier(expression) && expression.text === "require";
  return isImport ? textOf(node.arguments[0]) : undefined;
}

function textOf(node: Node | undefined): string {
  return node && isStringLiteral(node) ? node.text : "";
}

function forbidden(path: string, specifier: string): string[] {
  if (specifier === "") return ["an import must name what it imports"];
  const [, floor = ""] = path.split("/");
  const allowed = HOUSE[floor];
  if (!allowed) return [`${floor} is no floor of the house: see HOUSE`];
  return /^[./]/.test(specifier)
    ? forbiddenFile(path, floor, allowed, specifier)
    : forbiddenPackage(path, floor, specifier);
}

function forbiddenFile(
  path: string,
  floor: string,
  allowed: readonly string[],
  specifier: string,
): string[] {
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  const [top, targetFloor = ""] = target.split("/");
  if (top !== "src") return [`${floor} must not import ${target}`];
  if (!target.endsWith(".ts")) return [`${specifier} must end in .ts`];
  return targetFloor === floor || allowed.includes(targetFloor)
    ? []
    : [`${floor} must not see ${targetFloor}`];
}

function forbiddenPackage(
  path: string,
  floor: string,
  specifier: string,
): string[] {
  const name = specifier.match(/^(?:[a-z]+:|(?:@[^/]+\/)?[^/]+)/)?.[0] ?? "";
  const rule = PACKAGES[name];
  if (!rule) return [`${name} is no package of the house: see PACKAGES`];
  return rule.in.includes(floor) || rule.in.includes(path)
    ? []
    : [`${floor} must not import ${name}: ${rule.why}`];
}

if (import.meta.main) {
  const texts = await readSources("src/**/*.ts");
  reportFindings(await checkLayers(texts), texts);
}
