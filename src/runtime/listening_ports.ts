import { closeSync, openSync, readSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { ipFamily } from "../protocol/ip_family.ts";
import {
  endsListeners,
  isListening,
  type ListenerTable,
  parseDarwinNetstat,
  parseWindowsNetstat,
  procListeners,
} from "./listener_table.ts";

/** `unknown`: this computer cannot tell, and only a connection would. */
export type PortState = "open" | "closed" | "unknown";

/** One of the kernel's tables: of IPv4, or of IPv6. */
export type ProcTable = "tcp" | "tcp6";

/** Who reads the kernel's tables, as {@linkcode readProcListeners} does. */
export interface ProcReader {
  read(
    name: ProcTable,
    ports: ReadonlySet<number>,
  ): ListenerTable | undefined;
}

/** Where a service should listen. */
export interface PortAddress {
  /** `localhost` or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** By way of the process, not of /proc/net: that one goes with ProcSubset=pid. */
const PROC_PATHS = {
  tcp: "/proc/self/net/tcp",
  tcp6: "/proc/self/net/tcp6",
} as const;

/** Listeners come first in the kernel's tables: this is room for thousands. */
const PROC_MAX_BYTES = 1024 * 1024;

/**
 * What is asked of a table at a time: some rows. The kernel looks through all
 * its connections until it has filled what it was asked for, which is
 * milliseconds where a machine has the memory for many; its listeners are few.
 */
const PROC_READ_BYTES = 1_024;

const NETSTAT_TIMEOUT_MS = 5_000;
const NETSTAT_MAX_BYTES = 4 * 1024 * 1024;
/** A program per question would be felt; a table this old is still true. */
const NETSTAT_MAX_AGE_MS = 3_000;

const LOOPBACK_REGEXP = /^(127(\.[0-9]{1,3}){3}|::1|0\.0\.0\.0|::)$/;

/** Nobody has to ask which addresses are ours. */
const LOCAL_REGEXP = /^(127(\.[0-9]{1,3}){3}|::1|localhost)$/i;

/** Where rows are read to, again and again. */
let rows = Buffer.alloc(4 * PROC_READ_BYTES);

/** As {@linkcode portStates}, of one address. */
export async function portState(address: PortAddress): Promise<PortState> {
  const [state = "unknown"] = await portStates([address]);
  return state;
}

/**
 * Returns whether something listens at each of `addresses`, in their order,
 * without connecting to any: a connection would be a line in a service's log.
 * Asks the operating system once, however many there are. An address of
 * another computer, or a name other than `localhost`, is `unknown`.
 *
 * @param listeners Who reads the kernel's tables, on Linux.
 */
export async function portStates(
  addresses: readonly PortAddress[],
  listeners: ProcReader = { read: readProcListeners },
): Promise<PortState[]> {
  const isLocal = addresses.every(({ host }) => LOCAL_REGEXP.test(host));
  const own = isLocal ? new Set<string>() : ownAddresses();
  const asked = addresses.map(({ host, port }) => ({
    hosts: hostsOf(host).filter((each) => isOwn(each, own)),
    port,
  }));
  if (asked.every(({ hosts }) => hosts.length === 0)) {
    return asked.map(() => "unknown");
  }
  const isOpen = (table: ListenerTable, { hosts, port }: AskedPort) =>
    hosts.some((host) => isListening(table, host, port));
  const ports = new Set(asked.map(({ port }) => port));
  const isEnough = (soFar: ListenerTable) =>
    asked.every((each) => each.hosts.length === 0 || isOpen(soFar, each));
  const table = process.platform === "linux"
    ? readProcTables(ports, listeners, isEnough)
    : await readNetstat();
  return asked.map((each) => {
    if (!table || each.hosts.length === 0) return "unknown";
    return isOpen(table, each) ? "open" : "closed";
  });
}

/** A port, and the addresses of our own by which it is asked for. */
interface AskedPort {
  readonly hosts: readonly string[];
  readonly port: number;
}

function hostsOf(host: string): string[] {
  // RFC 6761 §6.3: always loopback, of either family.
  if (host.toLowerCase() === "localhost") return ["127.0.0.1", "::1"];
  return ipFamily(host) !== 0 ? [host] : [];
}

function isOwn(host: string, own: ReadonlySet<string>): boolean {
  return LOOPBACK_REGEXP.test(host) || own.has(host.toLowerCase());
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(interfaces())
      .flatMap((entries) => entries ?? [])
      .map(({ address }) => address.toLowerCase()),
  );
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch {
    // A service without AF_NETLINK may not ask: loopback is ours in any case.
    return {};
  }
}

function readNetstat(): Promise<ListenerTable | undefined> {
  switch (process.platform) {
    case "darwin":
      return netstatTable(parseDarwinNetstat);
    case "win32":
      return netstatTable(parseWindowsNetstat);
    default:
      return Promise.resolve(undefined);
  }
}

/** @param isEnough Whether a part of the table answers what was asked. */
function readProcTables(
  ports: ReadonlySet<number>,
  listeners: ProcReader,
  isEnough: (soFar: ListenerTable) => boolean,
): ListenerTable | undefined {
  const table = listeners.read("tcp", ports);
  // Without a first table, /proc is hidden from us.
  if (table === undefined || isEnough(table)) return table;
  // Without IPv6 in the kernel there is no second one.
  return table.union(listeners.read("tcp6", ports) ?? new Set());
}

/**
 * Returns who listens at one of `ports`, of one of the kernel's tables;
 * undefined if there is none.
 */
export function readProcListeners(
  name: ProcTable,
  ports: ReadonlySet<number>,
): ListenerTable | undefined {
  const rows = readListeners(PROC_PATHS[name]);
  return rows && procListeners(rows, ports);
}

/**
 * Returns the first rows of a table, up to one that is no listener or
 * PROC_MAX_BYTES; undefined if there is no table to be read. They are good
 * until the next are read, which go to the same place.
 *
 * In one go: a thread for it would cost more than it takes, which is 0.1 ms,
 * or 2 ms for a table without connections where there is room for many.
 */
function readListeners(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    let size = 0;
    while (size < PROC_MAX_BYTES && !endsListeners(rows.subarray(0, size))) {
      if (size + PROC_READ_BYTES > rows.length) {
        rows = Buffer.concat([rows], rows.length * 2);
      }
      const count = readSync(file, rows, size, PROC_READ_BYTES, null);
      size += count;
      // Nothing comes after it, and to see that costs as much again.
      if (count < PROC_READ_BYTES) break;
    }
    return rows.subarray(0, size);
  } catch {
    return undefined; // Told to the caller as `unknown`.
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

let cached: {
  readonly atMs: number;
  readonly table: Promise<ListenerTable | undefined>;
} | undefined;

function netstatTable(
  parse: (text: string) => ListenerTable,
): Promise<ListenerTable | undefined> {
  const nowMs = performance.now();
  if (!cached || nowMs - cached.atMs > NETSTAT_MAX_AGE_MS) {
    cached = { atMs: nowMs, table: runNetstat(parse) };
  }
  return cached.table;
}

async function runNetstat(
  parse: (text: string) => ListenerTable,
): Promise<ListenerTable | undefined> {
  // Here, since Linux has no need of it.
  const { execFile } = await import("node:child_process");
  const options = {
    timeout: NETSTAT_TIMEOUT_MS,
    maxBuffer: NETSTAT_MAX_BYTES,
    windowsHide: true,
  };
  return await new Promise((resolve) => {
    execFile("netstat", ["-an"], options, (error, stdout) => {
      resolve(error ? undefined : parse(stdout));
    });
  });
}
