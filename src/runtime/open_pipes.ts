import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./programs.ts";

/** What is written to one end comes out of the other. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/**
 * Opens `count` pipes of the kernel's; whoever asks closes both ends.
 *
 * What Bun and `node:` give a child as a "pipe" is a socket, and a script that
 * writes to /dev/stderr, which opens it once more, fails on a socket (ENXIO,
 * POSIX XSH open). There is no call for a true one, hence a FIFO that loses
 * its name at once.
 *
 * @param path Where `mkfifo` is looked for.
 * @returns Undefined where that cannot be done: Windows, no `mkfifo`, no place
 * for temporary files.
 */
export function openPipes(count: number, path: string): Pipe[] | undefined {
  const mkfifo = findProgram("mkfifo", { path, endings: [] });
  if (mkfifo === undefined || process.platform === "win32") return undefined;
  const pipes: Pipe[] = [];
  let dir: string | undefined;
  try {
    dir = mkdtempSync(join(tmpdir(), "migasfree-pipe-"));
    const names = Array.from({ length: count }, (_none, i) => `${dir}/${i}`);
    const { success } = Bun.spawnSync([mkfifo, "-m", "600", ...names]);
    if (!success) return undefined;
    for (const name of names) pipes.push(openPipe(name));
    return pipes;
  } catch {
    // A socket does for nearly every program: better than none.
    for (const pipe of pipes) closePipe(pipe);
    return undefined;
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

/** The reader first, who need not wait for a writer; then that one need not. */
function openPipe(name: string): Pipe {
  const readFd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { readFd, writeFd: openSync(name, constants.O_WRONLY) };
  } catch (error) {
    closeSync(readFd);
    throw error;
  }
}

function closePipe({ readFd, writeFd }: Pipe): void {
  closeSync(readFd);
  closeSync(writeFd);
}
