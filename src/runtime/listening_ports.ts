import { execFile } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import {
  endsListeners,
  isListening,
  type ListenerTable,
  parseDarwinNetstat,
  parseProcNetTcp,
  parseWindowsNetstat,
} from "./listener_table.ts";

/** `unknown`: this computer cannot tell, and only a connection would. */
export type PortState = "open" | "closed" | "unknown";

/** Where a service should listen. */
export interface PortAddress {
  /** `localhost` or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** By way of the process, not of /proc/net: that one goes with ProcSubset=pid. */
const PROC_PATHS = ["/proc/self/net/tcp", "/proc/self/net/tcp6"] as const;

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
 */
export async function portStates(
  addresses: readonly PortAddress[],
): Promise<PortState[]> {
  const own = ownAddresses();
  const asked = addresses.map(({ host, port }) => ({
    hosts: hostsOf(host).filter((each) => isOwn(each, own)),
    port,
  }));
  if (asked.every(({ hosts }) => hosts.length === 0)) {
    return asked.map(() => "unknown");
  }
  const isOpen = (table: ListenerTable, { hosts, port }: AskedPort) =>
    hosts.some((host) => isListening(table, host, port));
  const table = await readTable((soFar) =>
    asked.every((each) => each.hosts.length === 0 || isOpen(soFar, each))
  );
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
  return isIP(host) ? [host] : [];
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

/** @param isEnough Whether a part of the table answers what was asked. */
function readTable(
  isEnough: (soFar: ListenerTable) => boolean,
): Promise<ListenerTable | undefined> {
  switch (process.platform) {
    case "linux":
      return Promise.resolve(readProcTable(isEnough));
    case "darwin":
      return netstatTable(parseDarwinNetstat);
    case "win32":
      return netstatTable(parseWindowsNetstat);
    default:
      return Promise.resolve(undefined);
  }
}

function readProcTable(
  isEnough: (soFar: ListenerTable) => boolean,
): ListenerTable | undefined {
  const [ipv4Path, ipv6Path] = PROC_PATHS;
  const ipv4 = readListeners(ipv4Path);
  // Without a first table, /proc is hidden from us.
  if (ipv4 === undefined) return undefined;
  const table = parseProcNetTcp(ipv4);
  if (isEnough(table)) return table;
  // Without IPv6 in the kernel there is no second one.
  const ipv6 = readListeners(ipv6Path) ?? "";
  return new Set([...table, ...parseProcNetTcp(ipv6)]);
}

/**
 * Returns the first rows of a table, up to one that is no listener or
 * PROC_MAX_BYTES; undefined if there is no table to be read.
 *
 * In one go: a thread for it would cost more than it takes, which is 0.1 ms,
 * or 2 ms for a table without connections where there is room for many.
 */
function readListeners(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const buffer = Buffer.alloc(PROC_READ_BYTES);
    let text = "";
    while (text.length < PROC_MAX_BYTES && !endsListeners(text)) {
      const size = readSync(file, buffer);
      text += buffer.toString("latin1", 0, size);
      // Nothing comes after it, and to see that costs as much again.
      if (size < PROC_READ_BYTES) break;
    }
    return text;
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

function runNetstat(
  parse: (text: string) => ListenerTable,
): Promise<ListenerTable | undefined> {
  const options = {
    timeout: NETSTAT_TIMEOUT_MS,
    maxBuffer: NETSTAT_MAX_BYTES,
    windowsHide: true,
  };
  return new Promise((resolve) => {
    execFile("netstat", ["-an"], options, (error, stdout) => {
      resolve(error ? undefined : parse(stdout));
    });
  });
}
