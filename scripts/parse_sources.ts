import type { Node, SourceFile } from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { createVirtualFileSystem } from "typescript/unstable/fs";

/** Paths in the repository, such as `src/base/clock.ts`, and what is in them. */
export type SourceTexts = ReadonlyMap<string, string>;

/** Resolves nothing and reads no library: one syntax tree per file is all. */
const COMPILER_OPTIONS = {
  noResolve: true,
  noLib: true,
  types: [],
  allowImportingTsExtensions: true,
};

/**
 * Parses TypeScript with the pinned compiler, which runs as a child process
 * and sees nothing but `texts`. The interface is marked unstable: it may
 * change when the compiler's pin does, and then the tests of the checks fail.
 */
export async function parseSources(
  texts: SourceTexts,
): Promise<Map<string, SourceFile>> {
  const config = JSON.stringify({
    compilerOptions: COMPILER_OPTIONS,
    files: [...texts.keys()],
  });
  const files: Record<string, string> = { "/tsconfig.json": config };
  for (const [path, text] of texts) files[`/${path}`] = text;
  const compiler = new API({
    cwd: "/",
    fs: createVirtualFileSystem(files),
  });
  try {
    const snapshot = await compiler.updateSnapshot({
      openProjects: ["/tsconfig.json"],
    });
    const program = snapshot.getProjects()[0]?.program;
    const sources = new Map<string, SourceFile>();
    for (const path of texts.keys()) {
      const source = await program?.getSourceFile(`/${path}`);
      if (!source) throw new Error(`Cannot parse ${path}: no syntax tree`);
      sources.set(path, source);
    }
    return sources;
  } finally {
    await compiler.close();
  }
}

/** Calls `visit` with `node` and everything inside it, outermost first. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}

/** Line of an offset in `text`, counted from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; line++) {
    at = text.indexOf("\n", at + 1);
  }
  return line;
}
