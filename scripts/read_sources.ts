import type { SourceTexts } from "./parse_sources.ts";

/** Reads every file that a glob matches, from the repository's root, sorted. */
export async function readSources(
  ...patterns: readonly string[]
): Promise<SourceTexts> {
  const root = `${import.meta.dir}/..`;
  const paths = new Set<string>();
  for (const pattern of patterns) {
    for await (const path of new Bun.Glob(pattern).scan(root)) paths.add(path);
  }
  const texts = new Map<string, string>();
  for (const path of [...paths].sort()) {
    texts.set(path, await Bun.file(`${root}/${path}`).text());
  }
  return texts;
}

/**
 * Ends a check that runs as a program: one line on stderr per finding, what was
 * looked at on stdout, exit status 1 if there is a finding.
 */
export function reportFindings(
  findings: readonly string[],
  texts: SourceTexts,
): void {
  for (const line of findings) process.stderr.write(`${line}\n`);
  process.stdout.write(`${texts.size} files, ${findings.length} findings\n`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
