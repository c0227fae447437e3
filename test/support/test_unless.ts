import { test } from "bun:test";

/** Said once per run of a test file, however many tests ask. */
const said = new Set<string>();

/**
 * Returns `test`, or one that is skipped if there is a `reason` why it cannot
 * run here; the reason is said, so that the report can show it.
 */
export function testUnless(reason: string | undefined): typeof test {
  if (reason === undefined) return test;
  if (!said.has(reason)) process.stderr.write(`Skipping: ${reason}\n`);
  said.add(reason);
  return test.skip as typeof test;
}

/** Why a test cannot run here: a program that it needs is not installed. */
export function missingProgram(
  ...programs: readonly string[]
): string | undefined {
  const missing = programs.filter((program) => !Bun.which(program));
  return missing.length === 0
    ? undefined
    : `${missing.join(", ")} not installed: see scripts/test_packages`;
}

/** Why a test cannot run here: it looks at what only Linux shows. */
export function notLinux(): string | undefined {
  return process.platform === "linux" ? undefined : "this is not Linux";
}
