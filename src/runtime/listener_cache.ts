import type { ListenerTable } from "./listener_table.ts";
import {
  type ProcReader,
  type ProcTable,
  readProcListeners,
} from "./listening_ports.ts";
import { ProcFiles } from "./proc_files.ts";

/** However little seems to happen, a table is read so often. */
const READ_AFTER_MS = 60_000;

/** How many sockets of a table there are (proc(5)). */
const COUNT_PATHS: Readonly<Record<ProcTable, string>> = {
  tcp: "/proc/self/net/sockstat",
  tcp6: "/proc/self/net/sockstat6",
};

export interface ListenerCachePorts {
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number;
  /** Whether there are as many sockets as the last time; false: not known. */
  readonly isSame: (name: ProcTable) => boolean;
  readonly read: ProcReader["read"];
}

/**
 * The kernel's tables, for one who reads them every few seconds: while it
 * counts as many sockets as before, they say what they said before. To read
 * one takes milliseconds where a machine has the memory for many connections,
 * to read the count none. A listener that comes in the moment in which another
 * socket goes is found within a minute.
 */
export class ListenerCache implements ProcReader {
  readonly #ports: ListenerCachePorts;
  readonly #lasts = new Map<ProcTable, {
    readonly key: string;
    readonly atMs: number;
    readonly table: ListenerTable | undefined;
  }>();

  constructor(ports: ListenerCachePorts) {
    this.#ports = ports;
  }

  /** Of this computer. @param now As in {@linkcode ListenerCachePorts}. */
  static create(now: () => number): ListenerCache {
    const counts = {
      tcp: new ProcFiles([COUNT_PATHS.tcp]),
      tcp6: new ProcFiles([COUNT_PATHS.tcp6]),
    };
    return new ListenerCache({
      now,
      isSame: (name) => counts[name].areSame(),
      read: readProcListeners,
    });
  }

  read(
    name: ProcTable,
    ports: ReadonlySet<number>,
  ): ListenerTable | undefined {
    const { isSame, now, read } = this.#ports;
    const key = [...ports].join();
    // Before the table is read: what changes meanwhile is seen the next time.
    const isQuiet = isSame(name);
    const last = this.#lasts.get(name);
    const isFresh = last?.key === key && now() - last.atMs < READ_AFTER_MS;
    if (isQuiet && last && isFresh) return last.table;
    const table = read(name, ports);
    this.#lasts.set(name, { key, atMs: now(), table });
    return table;
  }
}
