/** What one run of `bun test` came to. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Test files that did not report: they did not load, or ended the run. */
  readonly silent: readonly string[];
}

/**
 * Reads the JUnit report of `bun test`. A file that cannot be loaded is in no
 * report, and a test that ends the process leaves none, with exit status 0
 * (Bun 1.4.5): each of `files` that is missing counts as one failed test.
 *
 * @param xml undefined: there is no report.
 */
export function readTestReport(
  xml: string | undefined,
  files: readonly string[],
): TestReport {
  const root = xml?.match(/<testsuites [^>]*>/)?.[0] ?? "";
  const count = (name: string) =>
    Number(root.match(` ${name}="([0-9]+)"`)?.[1] ?? 0);
  const reported = new Set(
    [...(xml ?? "").matchAll(/<testsuite [^>]*\bfile="([^"]*)"/g)]
      .map(([, file]) => file),
  );
  const silent = files.filter((file) => !reported.has(file));
  const failures = count("failures");
  const skipped = count("skipped");
  return {
    passed: Math.max(0, count("tests") - failures - skipped),
    failed: failures + silent.length,
    skipped,
    silent,
  };
}
