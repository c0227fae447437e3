/** One thing that must hold before a change may land. */
export interface Gate {
  readonly name: string;
  readonly does: string;
  readonly command: readonly string[];
  /** The gate fails when it takes longer. */
  readonly limitMs: number;
  /** Gates without which this one has nothing to go on. */
  readonly needs?: readonly string[];
  /** Set for `bun test`: the files, and each test's own limit. */
  readonly tests?: { readonly include: RegExp; readonly limitMs: number };
  /** Exit status that means "cannot be done here", which fails nothing. */
  readonly skipStatus?: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** In the order in which they run: what fails fast comes first. */
export const GATES: readonly Gate[] = [
  {
    name: "format",
    does: "files are formatted (deno fmt mends them)",
    command: ["deno", "fmt", "--check"],
    limitMs: MINUTE_MS,
  },
  {
    name: "lint",
    does: "deno lint finds nothing",
    command: ["deno", "lint", "--quiet"],
    limitMs: MINUTE_MS,
  },
  {
    name: "types",
    does: "everything type-checks",
    command: ["tsc", "-p", "tsconfig.json"],
    limitMs: MINUTE_MS,
  },
  {
    name: "core-types",
    does: "the core type-checks without Bun, Node and DOM",
    command: ["tsc", "-p", "tsconfig.core.json"],
    limitMs: MINUTE_MS,
  },
  {
    name: "layers",
    does: "imports go down, and packages stay where they belong",
    command: ["bun", "scripts/check_layers.ts"],
    limitMs: MINUTE_MS,
  },
  {
    name: "sizes",
    does: "no file over 300 lines, no function over 60, without an ADR",
    command: ["bun", "scripts/check_sizes.ts"],
    limitMs: MINUTE_MS,
  },
  {
    name: "patterns",
    does: "nothing swallowed, nothing decided by text, no sleeping test",
    command: ["bun", "scripts/check_patterns.ts"],
    limitMs: MINUTE_MS,
  },
  {
    name: "core-bundle",
    does: "base to transport bundle for a browser",
    command: ["bun", "scripts/check_core_bundle.ts"],
    limitMs: MINUTE_MS,
  },
  {
    name: "build",
    does: "dist/migasfree-agent is built for this host",
    command: ["bun", "scripts/build.ts"],
    limitMs: 2 * MINUTE_MS,
  },
  {
    name: "packages",
    does: "the real programs that tests talk to are installed",
    command: ["scripts/test_packages"],
    skipStatus: 69,
    limitMs: 4 * MINUTE_MS,
  },
  {
    name: "unit",
    does: "every test but those in test/e2e",
    command: ["bun", "test", "--no-orphans", "--parallel=2"],
    tests: { include: /^test\/(?!e2e\/)/, limitMs: 10 * SECOND_MS },
    limitMs: 4 * MINUTE_MS,
  },
  {
    name: "lab",
    does: "the package on a real systemd: installed, hurt, scored, purged",
    command: ["scripts/lab-systemd", "--quick"],
    needs: ["build"],
    skipStatus: 69,
    limitMs: 2 * MINUTE_MS,
  },
  {
    name: "e2e",
    does: "dist/migasfree-agent with real servers: test/e2e",
    command: ["bun", "test", "--no-orphans", "--parallel=2"],
    needs: ["build"],
    tests: { include: /^test\/e2e\//, limitMs: MINUTE_MS },
    limitMs: 8 * MINUTE_MS,
  },
];
