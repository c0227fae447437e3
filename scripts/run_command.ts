import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CommandResult {
  /** 128 + signal if a signal ended it. */
  readonly exitCode: number;
  readonly isLate: boolean;
  /** Standard output and standard error, as they came. */
  readonly output: string;
  readonly elapsedMs: number;
}

/**
 * Runs a command from the repository's root, to its end or for `limitMs`. What
 * it started and left behind in its process group is killed with it.
 *
 * Output goes through a file: a pipe would stay open, and keep us waiting, for
 * as long as any process that the command left behind.
 */
export async function runCommand(
  command: readonly string[],
  limitMs: number,
  signal: AbortSignal,
): Promise<CommandResult> {
  const dir = await mkdtemp(join(tmpdir(), "migasfree-check-"));
  const startMs = performance.now();
  try {
    const log = await open(join(dir, "output"), "a");
    const child = Bun.spawn([...command], {
      cwd: `${import.meta.dir}/..`,
      env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdio: ["ignore", log.fd, log.fd],
      detached: true,
    });
    const late = AbortSignal.timeout(limitMs);
    const stop = AbortSignal.any([signal, late]);
    const kill = () => killGroup(child.pid);
    stop.addEventListener("abort", kill, { once: true });
    if (stop.aborted) kill();
    const exitCode = await child.exited;
    stop.removeEventListener("abort", kill);
    kill();
    await log.close();
    return {
      exitCode,
      isLate: late.aborted,
      output: await readFile(join(dir, "output"), "utf8"),
      elapsedMs: performance.now() - startMs,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in the group: that is what we want.
  }
}
