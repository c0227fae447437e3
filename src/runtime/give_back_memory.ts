import { dlopen, type Pointer } from "bun:ffi";
import { readFileSync } from "node:fs";

/** A part of this process's memory, as proc(5) shows it in smaps. */
export interface MemoryMapping {
  readonly address: number;
  readonly sizeBytes: number;
}

/** From <sys/mman.h> of Linux; the same for every architecture we build. */
const MADV_DONTNEED = 4;

const LIBC_NAMES = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

/** `01a40000-06849000 r-xp 01838000 08:01 1234   /usr/bin/migasfree-agent` */
const HEAD_REGEXP =
  /^([0-9a-f]+)-([0-9a-f]+) r-([x-])p [0-9a-f]+ \S+ ([0-9]+) +\//;
const FIELD_REGEXP = /^(Rss|Anonymous): +([0-9]+) kB/;

/**
 * Asks for a collection of garbage in which even code is dropped that has run:
 * 1.3 MB of what an agent has after its start. It happens once this turn is
 * over. Code that is needed again is made from the source again.
 */
export function shrinkHeap(): void {
  Bun.shrink();
}

/** Collects garbage beside what else is done: it waits for 5 to 10 ms in all. */
export function collectGarbage(): void {
  Bun.gc(false);
}

/** Collects all garbage now: a pause of 5 to 10 ms where the heap is small. */
export function collectAllGarbage(): void {
  Bun.gc(true);
}

/**
 * Gives back to the kernel what of the program itself lies in this process's
 * memory: of 54 MB of an agent that has started, 40 are pages of the binary,
 * most of them touched once. They are still in the file, and mostly in the
 * kernel's cache: whoever needs one again waits a microsecond.
 *
 * Where it cannot be done, as on other systems or without FFI, nothing is.
 */
export function giveBackPages(): void {
  if (process.platform !== "linux") return;
  try {
    const mappings = cleanFileMappings(
      readFileSync("/proc/self/smaps", "utf8"),
    );
    const advise = openAdvise();
    for (const { address, sizeBytes } of mappings) {
      advise(address as Pointer, sizeBytes, MADV_DONTNEED);
    }
  } catch {
    // No /proc, or no FFI: then the kernel takes the pages when it needs them.
  }
}

/**
 * Returns the parts of files in `smaps` that can be dropped and read again:
 * nobody can write to them, and no page of them was ever changed.
 */
export function cleanFileMappings(smaps: string): MemoryMapping[] {
  const found: MemoryMapping[] = [];
  let mapping: MemoryMapping | undefined;
  let residentKb = 0;
  for (const line of smaps.split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) {
      mapping = mappingOf(line);
      continue;
    }
    const [, name, kilobytes] = FIELD_REGEXP.exec(line) ?? [];
    if (name === "Rss") residentKb = Number(kilobytes);
    const isClean = name === "Anonymous" && Number(kilobytes) === 0;
    if (isClean && mapping && residentKb > 0) found.push(mapping);
  }
  return found;
}

/** Undefined: it can be written to, is shared, or is no file's. */
function mappingOf(line: string): MemoryMapping | undefined {
  const [, start = "", end = "", , inode] = HEAD_REGEXP.exec(line) ?? [];
  if (inode === undefined || inode === "0") return undefined;
  const address = Number.parseInt(start, 16);
  return { address, sizeBytes: Number.parseInt(end, 16) - address };
}

function openAdvise() {
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = dlopen(name, {
        madvise: { args: ["ptr", "u64", "i32"], returns: "i32" },
      });
      return symbols.madvise;
    } catch {
      // Not this libc, or no FFI at all: the next way will tell.
    }
  }
  throw new Error("There is no libc to call");
}
