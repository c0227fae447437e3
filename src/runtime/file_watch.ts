import { statSync } from "node:fs";
import type { Clock } from "../base/clock.ts";

/** How often files are looked at: a stat of a few files costs nothing. */
const LOOK_EVERY_MS = 3_000;

/**
 * Returns what tells one state of a file from another. Polled rather than
 * watched: a renamed, mounted or replaced file is a change like any other.
 */
export function fileStamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : "absent";
}

/**
 * Resolves when the stamps of `paths` are no longer what `stamps` returns.
 *
 * @throws `signal.reason` once aborted, and nothing else.
 */
export async function fileChange(
  paths: readonly string[],
  stamps: () => string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (paths.map(fileStamp).join() === stamps()) {
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  signal.throwIfAborted();
}
