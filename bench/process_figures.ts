import { readFile } from "node:fs/promises";
import { exactCpuMs } from "../test/support/process_cpu.ts";

const KIBIBYTE = 1_024;

/** What the kernel says of a process at one moment. */
export interface ProcessFigures {
  readonly residentBytes: number;
  /** Its own, not a file's: what it costs however many share the binary. */
  readonly anonymousBytes: number;
  readonly cpuMs: number;
  /** How often one of its threads went to sleep, and so was woken. */
  readonly wakeCount: number;
}

export async function processFigures(pid: number): Promise<ProcessFigures> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const threads = new Bun.Glob("*/status")
    .scan({ cwd: `/proc/${pid}/task`, onlyFiles: false });
  let wakeCount = 0;
  for await (const path of threads) {
    const status = await readFile(`/proc/${pid}/task/${path}`, "utf8");
    wakeCount += fieldOf(status, "voluntary_ctxt_switches");
  }
  return {
    residentBytes: fieldOf(rollup, "Rss") * KIBIBYTE,
    anonymousBytes: fieldOf(rollup, "Anonymous") * KIBIBYTE,
    cpuMs: await exactCpuMs(pid),
    wakeCount,
  };
}

/** Returns the number behind `name:` in a file of proc(5). */
export function fieldOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}
