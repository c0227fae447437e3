import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool } from "./package_commands.ts";

const PREFIX = "x86_64-w64-mingw32-";

/**
 * Compiles the Windows service host to `file`, from the repository's root. The
 * same tree and the same compiler give the same bytes.
 *
 * @returns Whether there is a compiler for it, mingw-w64.
 */
export async function buildServiceHost(file: string): Promise<boolean> {
  if (!Bun.which(`${PREFIX}gcc`)) return false;
  const dir = await mkdtemp(join(tmpdir(), "migasfree-host-"));
  try {
    const resource = join(dir, "events.o");
    const windmc = ["-U", "-h", dir, "-r", dir, "windows/events.mc"];
    runTool([`${PREFIX}windmc`, ...windmc]);
    const windres = ["-O", "coff", join(dir, "events.rc"), resource];
    runTool([`${PREFIX}windres`, ...windres]);
    runTool([
      ...[`${PREFIX}gcc`, "-municode", "-Os", "-s", "-Wall", "-Wextra"],
      ...["-Werror", "-static", `-I${dir}`, `-ffile-prefix-map=${dir}=.`],
      // A time would be in the bytes otherwise.
      ...["-Wl,--no-insert-timestamp,--dynamicbase,--nxcompat"],
      ...["windows/service_host.c", "windows/service_setup.c", resource],
      ...["-Iwindows", "-o", file],
    ]);
    return true;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
