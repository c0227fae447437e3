import { readdirSync, readFileSync } from "node:fs";

/** Returns the processes of a group that have not ended, by their ids. */
export function processesOf(group: number): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => {
    if (!Number.isInteger(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name before it may have blanks and brackets (proc(5)).
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(pgrp) === group && state !== "Z";
    } catch {
      return false; // It ended while we looked.
    }
  });
}
