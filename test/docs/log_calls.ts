import type { Node } from "typescript/unstable/ast";
import {
  isCallExpression,
  isFunctionDeclaration,
  isIdentifier,
  isObjectLiteralExpression,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isReturnStatement,
  isShorthandPropertyAssignment,
  isSpreadAssignment,
  isStringLiteral,
  isVariableDeclaration,
} from "typescript/unstable/ast/is";
import { parseSources, walk } from "../../scripts/parse_sources.ts";
import { readSources } from "../../scripts/read_sources.ts";

/** One place where the program writes a line to its log. */
export interface LogCall {
  readonly path: string;
  readonly level: string;
  readonly event: string;
  /** In the order of the call. */
  readonly fields: readonly string[];
  /** Whether the line also has code, message and hint of a fault. */
  readonly hasFault: boolean;
}

const LEVELS = ["info", "warn", "error"];

/**
 * Returns every call of a log in `src`, read off its syntax tree.
 *
 * @throws {Error} If an event or a field cannot be told without running it.
 */
export async function logCalls(): Promise<LogCall[]> {
  const sources = await parseSources(await readSources("src/**/*.ts"));
  const calls: LogCall[] = [];
  for (const [path, source] of sources) {
    walk(source, (node) => {
      const level = levelOf(node);
      if (level === undefined || !isCallExpression(node)) return;
      const [event, fields, fault] = node.arguments;
      // Only what it is made of is of interest, wherever it stands.
      const names = fields ? fieldsOf(fields, source, path) : [];
      for (const name of event ? eventsOf(event, source, path) : []) {
        const hasFault = fault !== undefined;
        calls.push({ path, level, event: name, fields: names, hasFault });
      }
    });
  }
  return calls;
}

/** `log.warn(…)`, `ports.log?.warn(…)`, `this.#log.warn(…)`. */
function levelOf(node: Node): string | undefined {
  if (!isCallExpression(node)) return undefined;
  const { expression } = node;
  if (!isPropertyAccessExpression(expression)) return undefined;
  const owner = isPropertyAccessExpression(expression.expression)
    ? expression.expression.name
    : expression.expression;
  const level = nameOf(expression.name);
  const isLog = /^#?log$/.test(nameOf(owner));
  return isLog && LEVELS.includes(level) ? level : undefined;
}

function eventsOf(node: Node, source: Node, path: string): string[] {
  const meant = isIdentifier(node) ? valueOf(node.text, source) : node;
  const found: string[] = [];
  // A condition between two events has other literals in its question.
  walk(meant ?? node, (inner) => {
    if (isStringLiteral(inner) && /^[a-z]+\.[a-z_]+$/.test(inner.text)) {
      found.push(inner.text);
    }
  });
  if (found.length > 0) return found;
  throw new Error(`Cannot tell an event of ${path} by reading it`);
}

function fieldsOf(node: Node, source: Node, path: string): string[] {
  if (isObjectLiteralExpression(node)) {
    return node.properties.flatMap((property) => {
      if (isShorthandPropertyAssignment(property)) return nameOf(property.name);
      if (isPropertyAssignment(property)) return nameOf(property.name);
      if (isSpreadAssignment(property)) {
        return fieldsOf(property.expression, source, path);
      }
      throw new Error(`Cannot tell a field of a log call in ${path}`);
    });
  }
  const name = isCallExpression(node) ? node.expression : node;
  const value = isIdentifier(name) ? valueOf(name.text, source) : undefined;
  if (value && value !== node) return fieldsOf(value, source, path);
  throw new Error(`Cannot tell the fields of a log call in ${path}`);
}

/** What a constant of the file is, or what a function of it returns. */
function valueOf(name: string, source: Node): Node | undefined {
  let value: Node | undefined;
  walk(source, (node) => {
    if (isVariableDeclaration(node) && nameOf(node.name) === name) {
      value ??= node.initializer;
    }
    if (!isFunctionDeclaration(node) || nameOf(node.name) !== name) return;
    walk(node, (inner) => {
      if (isReturnStatement(inner)) value ??= inner.expression;
    });
  });
  return value;
}

function nameOf(node: Node | undefined): string {
  return String((node as { text?: string } | undefined)?.text ?? "");
}
