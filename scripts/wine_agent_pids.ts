import { readdir, readFile } from "node:fs/promises";

/** Processes of this computer that run the agent as a service under Wine. */
export async function wineAgentPids(program: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = await readFile(`/proc/${name}/cmdline`, "utf8");
      const [started] = line.split("\0");
      if (started === program && line.includes("--hosted")) {
        found.push(Number(name));
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
