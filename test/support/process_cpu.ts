import { readdir, readFile } from "node:fs/promises";

/** Ticks of `/proc/<pid>/stat` in a second: sysconf(_SC_CLK_TCK), always 100. */
const TICKS_PER_SECOND = 100;

/** CPU time that a process has used so far, in milliseconds. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name before it may have blanks and brackets (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks * 1_000 / TICKS_PER_SECOND;
}

/**
 * As above, of all its threads that live, to the nanosecond: for processes
 * that use so little that ticks of 10 ms say nothing.
 */
export async function exactCpuMs(pid: number): Promise<number> {
  const dir = `/proc/${pid}/task`;
  let ns = 0;
  for (const thread of await readdir(dir)) {
    const text = await readFile(`${dir}/${thread}/schedstat`, "utf8");
    ns += Number(text.split(" ")[0]);
  }
  return ns / 1_000_000;
}
