import {
  type Node,
  type SourceFile,
  SyntaxKind,
} from "typescript/unstable/ast";
import {
  isArrowFunction,
  isBlock,
  isCallExpression,
  isExportAssignment,
  isExportDeclaration,
  isFunctionExpression,
  isIdentifier,
  isImportDeclaration,
  isNoSubstitutionTemplateLiteral,
  isPropertyAccessExpression,
  isRegularExpressionLiteral,
  isSourceFile,
  isStringLiteral,
  isTemplateExpression,
  isVariableStatement,
} from "typescript/unstable/ast/is";
import {
  lineAt,
  parseSources,
  type SourceTexts,
  walk,
} from "./parse_sources.ts";
import { readSources, reportFindings } from "./read_sources.ts";

/** One thing that deno lint has no rule for. */
interface Pattern {
  /** What to say of it, and what to do instead. */
  readonly say: string;
  /** Paths that it is forbidden in. */
  readonly in: RegExp;
  readonly matches: (node: Node, source: SourceFile) => boolean;
}

const EVERYWHERE = /^/;
const PRODUCT = /^(?:src|scripts)\//;
/** But bun_clock: its subject is real time, which no test can step. */
const QUIET_TESTS =
  /^test\/(?!e2e\/|support\/|runtime\/bun_clock_).*_(?:test|contract)\.ts$/;
const TESTS = /^test\/(?!support\/)/;
const SUITES = ["test", "describe", "it"];

const PATTERNS: readonly Pattern[] = [
  {
    say: "an error is swallowed: nobody ever hears of it",
    in: EVERYWHERE,
    matches: (node, source) =>
      isMethodCall(node, ["catch"], isEmptyBlock) ||
      isMethodCall(node, ["catch"], isNothing) && !isExplained(node, source),
  },
  {
    say: "decides by the text of an error: decide by its code",
    in: PRODUCT,
    matches: (node) => readsMessage(node),
  },
  {
    say: "a test must not sleep: step the clock or await the event",
    in: QUIET_TESTS,
    matches: (node) =>
      isCallOf(node, ["setTimeout", "setInterval"]) ||
      isMethodCall(node, ["sleep", "sleepSync"], undefined, ["Bun"]) ||
      isImportDeclaration(node) && isStringLiteral(node.moduleSpecifier) &&
        node.moduleSpecifier.text.endsWith("timers/promises"),
  },
  {
    say: "a test is left out, or leaves out the others",
    in: TESTS,
    matches: (node) =>
      isMethodAccess(node, ["skip", "todo", "only", "failing"], SUITES),
  },
  {
    say: "a test is left out in silence: use testUnless(), or say …_MISSING",
    in: TESTS,
    matches: (node, source) =>
      isMethodCall(node, ["skipIf", "if", "todoIf"], undefined, SUITES) &&
      !/\b[A-Z_]+_MISSING\b/.test(node.getText(source)),
  },
  {
    say: ".rejects can outlive the test: use rejection()",
    in: EVERYWHERE,
    matches: (node) =>
      isPropertyAccessExpression(node) && node.name.text === "rejects" &&
      isCallOf(node.expression, ["expect"]),
  },
  {
    say: "a default export has no name to search for",
    in: EVERYWHERE,
    matches: (node) => isExportAssignment(node),
  },
  {
    say: "a barrel: import from the file where the thing lives",
    in: EVERYWHERE,
    matches: (node) => isExportDeclaration(node) && !node.exportClause,
  },
  {
    say: "a function at the top is a `function`",
    in: EVERYWHERE,
    matches: (node) =>
      isVariableStatement(node) && isSourceFile(node.parent) &&
      node.declarationList.declarations.some(({ initializer }) =>
        initializer !== undefined && isFunction(initializer)
      ),
  },
];

/** Finds what the house forbids and no other gate sees; a line per finding. */
export async function checkPatterns(texts: SourceTexts): Promise<string[]> {
  const findings: string[] = [];
  for (const [path, source] of await parseSources(texts)) {
    const { text } = source;
    const patterns = PATTERNS.filter((pattern) => pattern.in.test(path));
    walk(source, (node) => {
      for (const pattern of patterns) {
        if (!pattern.matches(node, source)) continue;
        const line = lineAt(text, node.getStart(source));
        findings.push(`${path}:${line}: ${pattern.say}`);
      }
    });
    for (const offset of loneTodos(source)) {
      const line = lineAt(text, offset);
      findings.push(`${path}:${line}: a TODO names its issue, or it is lost`);
    }
  }
  return findings;
}

function isCallOf(node: Node, names: readonly string[]): boolean {
  return isCallExpression(node) && isIdentifier(node.expression) &&
    names.includes(node.expression.text);
}

function isMethodAccess(
  node: Node,
  names: readonly string[],
  of?: readonly string[],
): boolean {
  return isPropertyAccessExpression(node) && names.includes(node.name.text) &&
    (of === undefined ||
      isIdentifier(node.expression) && of.includes(node.expression.text));
}

function isMethodCall(
  node: Node,
  names: readonly string[],
  argument?: (node: Node) => boolean,
  of?: readonly string[],
): boolean {
  return isCallExpression(node) && isMethodAccess(node.expression, names, of) &&
    (!argument || node.arguments.some(argument));
}

function isFunction(node: Node): boolean {
  return isArrowFunction(node) || isFunctionExpression(node);
}

/** `() => {}` */
function isEmptyBlock(node: Node): boolean {
  if (!isArrowFunction(node) && !isFunctionExpression(node)) return false;
  const { body } = node;
  return body !== undefined && isBlock(body) && body.statements.length === 0;
}

/** `() => undefined` */
function isNothing(node: Node): boolean {
  return isArrowFunction(node) && isIdentifier(node.body) &&
    node.body.text === "undefined";
}

/** A comment stands before or in the statement around it, or ends its line. */
function isExplained(node: Node, source: SourceFile): boolean {
  let statement = node;
  // A variable's declaration begins behind the `const` of its statement.
  const isWhole = /(?:Statement|(?<!Variable)Declaration)$/;
  while (!isWhole.test(SyntaxKind[statement.kind] ?? "")) {
    statement = statement.parent;
  }
  const { text } = source;
  const end = text.indexOf("\n", statement.end);
  return text.slice(statement.pos, end < 0 ? undefined : end).includes("// ");
}

const TEXT_TESTS = [
  "includes",
  "startsWith",
  "endsWith",
  "indexOf",
  "match",
  "search",
];

/** `x.message.includes(…)`, `String(x).match(…)`, `/…/.test(x.message)`. */
function readsMessage(node: Node): boolean {
  if (!isCallExpression(node)) return false;
  const { expression } = node;
  if (!isPropertyAccessExpression(expression)) return false;
  const { name } = expression;
  if (TEXT_TESTS.includes(name.text)) return isMessage(expression.expression);
  return ["test", "exec"].includes(name.text) && node.arguments.some(isMessage);
}

function isMessage(node: Node): boolean {
  return isMethodAccess(node, ["message"]) ||
    isCallOf(node, ["String"]) && isCallExpression(node) &&
      node.arguments.some((given) =>
        isIdentifier(given) && /^(?:error|fault|cause|reason)$/.test(given.text)
      );
}

/** Offsets of the words in comments, where no `(#123)` follows. */
function loneTodos(source: SourceFile): number[] {
  const literals: Node[] = [];
  walk(source, (node) => {
    const isLiteral = isStringLiteral(node) ||
      isNoSubstitutionTemplateLiteral(node) || isTemplateExpression(node) ||
      isRegularExpressionLiteral(node);
    if (isLiteral) literals.push(node);
  });
  return [...source.text.matchAll(/\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/g)]
    .map(({ index }) => index)
    .filter((at) =>
      !literals.some((node) => node.getStart(source) <= at && at < node.end)
    );
}

if (import.meta.main) {
  const texts = await readSources("{src,test,scripts,bench}/**/*.ts");
  reportFindings(await checkPatterns(texts), texts);
}
